// Both images: built without an engine, looked into, and run from their file systems as the users that they name.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { freePorts } from '../../deploy/demo/ports.ts'
import { startApp } from '../support/app.ts'
import { send } from '../support/client.ts'
import { makeSigner, userClaims } from '../support/tokens.ts'
import { makeNetwork, whyNoNamespaces } from '../interception/network.ts'
import { buildImages, filesOf, makeFolder, readImage, whyNoImages, type BuiltImage } from './ground.ts'

const mebibyte = 1024 * 1024
const whyNot = whyNoImages()
const whyNoPods = await whyNoNamespaces()

describe('images', { skip: whyNot ?? false }, () => {
  let folder = ''
  let sidecar: BuiltImage
  let redirect: BuiltImage

  before(async () => {
    folder = await makeFolder()
    await buildImages(folder)
    sidecar = await readImage(folder, 'onbehalf')
    redirect = await readImage(folder, 'onbehalf-redirect')
  })
  after(() => rm(folder, { recursive: true, force: true }))

  test('the sidecar’s is run as a numeric user, by a program and no shell', () => {
    const { User, Entrypoint, Cmd } = sidecar.config.config
    assert.deepEqual(
      [User, Entrypoint, Cmd],
      ['15000:15000', ['/nodejs/bin/node', '/onbehalf/onbehalf.cjs'], ['run']],
    )
    assert.equal(sidecar.layers.length, 1)
  })

  test('the sidecar’s holds no shell, no package manager, nothing that a user may change', async () => {
    const files = await filesOf(sidecar)
    assert.deepEqual(
      files.filter((file) => /\/(sh|bash|dash|busybox|apt|dpkg|npm)$/.test(file)),
      [],
    )
    assert.deepEqual(files.filter((file) => file.startsWith('/onbehalf/')).toSorted(), [
      '/onbehalf/LICENSE',
      '/onbehalf/onbehalf.cjs',
      '/onbehalf/opentelemetry.cjs',
      '/onbehalf/preload.cjs',
    ])
    for (const file of files) {
      const { mode, uid } = await stat(join(sidecar.root, file)).catch(() => ({ mode: 0, uid: 0 }))
      assert.ok((mode & 0o7022) === 0 && uid === 0, file)
    }
  })

  test('both are small', async () => {
    for (const [image, most] of [
      [sidecar, 64],
      [redirect, 8],
    ] as const) {
      const layer = join(
        folder,
        image === sidecar ? 'onbehalf' : 'onbehalf-redirect',
        'blobs',
        String(image.layers[0]).replace(':', '/'),
      )
      assert.ok((await stat(layer)).size < most * mebibyte)
    }
  })

  test('built again, the bytes are the same', async () => {
    await buildImages(folder, 'onbehalf-redirect')
    assert.equal((await readImage(folder, 'onbehalf-redirect')).digest, redirect.digest)
  })

  test('from its file system, as its user, the sidecar starts, verifies, and ends as it is told', async (t) => {
    const app = await startApp()
    t.after(() => app.close())
    const signer = makeSigner()
    const ports = await freePorts(4)
    const files = {
      'mesh.yaml': meshFile(app.port, ports),
      'jwks.json': JSON.stringify({ keys: [signer.jwk] }),
    }
    const run = await start(t, sidecar, files, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' })
    await run.ready(ports[3] as number)
    const iat = Math.floor(Date.now() / 1_000)
    const token = signer.sign(
      userClaims({ aud: 'app.test', email: 'alice@companydomain.com', iat, exp: iat + 60 }),
    )
    const at = { port: ports[0] as number, target: '/' }
    const answer = await send({ ...at, headers: ['X-Pomerium-Jwt-Assertion', token] })
    assert.equal(answer.status, 200, answer.body)
    assert.equal((await send({ ...at, headers: [] })).status, 401)
    const copied = await readFile(join(run.root, 'preload/preload.cjs'), 'utf8')
    assert.equal(copied, await readFile(join(sidecar.root, 'onbehalf/preload.cjs'), 'utf8'))
    run.process.kill('SIGTERM')
    assert.equal(await run.status, 0, run.output())
  })

  test('a wrong mesh file ends it with status 2, and the place is named', async (t) => {
    const run = await start(t, sidecar, { 'mesh.yaml': 'routes: []\nrouts: []\n' })
    assert.equal(await run.status, 2)
    assert.match(run.output(), /mesh\.yaml:2:1 routs: .*did you mean "routes"/)
  })

  test(
    'the second one redirects a pod, with NET_ADMIN and NET_RAW alone and a root that is read-only',
    { skip: whyNoPods ?? false },
    async (t) => {
      const network = await makeNetwork(['pod'])
      t.after(() => network.close())
      const { pods } = network
      assert.deepEqual(redirect.config.config.Entrypoint, ['/entry.sh'])
      const { root } = redirect
      // SYS_CHROOT only so that its file system can be entered.
      const few = '-all,+net_admin,+net_raw,+sys_chroot'
      const enter = `setpriv --bounding-set=${few} --inh-caps=${few} --no-new-privs chroot ${root} /entry.sh apply --uid 15000`
      const script = [...mounts(root), `exec ${enter}`].join(' && ')
      await pods.pod.exec('unshare', '--mount', 'sh', '-c', script)
      assert.match(
        await pods.pod.exec('iptables', '-t', 'nat', '-S'),
        /-A ONBEHALF_OUTBOUND .*--uid-owner 15000 -j RETURN/,
      )
    },
  )
})

function meshFile(appPort: number, [inbound, outbound, admin, probes]: readonly number[]): string {
  return JSON.stringify({
    issuers: [{ name: 'pomerium', issuer: ['hostOnly'], jwks: 'jwks.json', single_use: true }],
    routes: [
      {
        name: 'App',
        from: 'https://app.test',
        to: 'http://app',
        pass_identity_headers: true,
        policy: [{ allow: { or: [{ domain: { is: 'companydomain.com' } }] } }],
      },
    ],
    services: {
      App: {
        app: `http://127.0.0.1:${appPort}`,
        listen: {
          inbound: `127.0.0.1:${inbound}`,
          outbound: `127.0.0.1:${outbound}`,
          admin: `127.0.0.1:${admin}`,
          probes: `127.0.0.1:${probes}`,
        },
      },
    },
  })
}

interface Run {
  readonly process: ChildProcess
  readonly root: string
  readonly status: Promise<number | null>
  output(): string
  ready(port: number): Promise<void>
}

/** In a mount namespace: what a runtime adds to a file system that it makes read-only. */
function mounts(root: string): string[] {
  return [
    `mkdir -p ${root}/proc ${root}/dev`,
    `touch ${root}/dev/null`,
    `mount --bind ${root} ${root}`,
    `mount -o remount,bind,ro ${root}`,
    `mount -t proc proc ${root}/proc`,
    `mount --bind /dev/null ${root}/dev/null`,
  ]
}

/** As a runtime does: its file system, read-only, with /proc, /dev/null, the mesh file and one folder to write to. */
async function start(
  t: TestContext,
  { root, config }: BuiltImage,
  files: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const top = await mkdtemp(join(tmpdir(), 'onbehalf-run-'))
  t.after(() => rm(top, { recursive: true, force: true }))
  const own = join(top, 'own')
  await Promise.all(
    ['mesh', 'preload', 'run'].map((name) => mkdir(join(own, name), { recursive: true, mode: 0o777 })),
  )
  for (const [name, text] of Object.entries(files)) await writeFile(join(own, 'mesh', name), text)
  const script = [
    `mkdir -p ${root}/own`,
    ...mounts(root),
    `mount --bind ${own} ${root}/own && chmod 777 ${own}/preload ${own}/run`,
    `exec chroot --userspec=${config.config.User} ${root} "$@"`,
  ].join(' && ')
  const program = [...config.config.Entrypoint, ...config.config.Cmd]
  const child = spawn('unshare', ['--mount', 'sh', '-c', script, 'sh', ...program], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: '/usr/bin:/bin:/usr/sbin:/sbin',
      ONBEHALF_CONFIG: '/own/mesh/mesh.yaml',
      ONBEHALF_SERVICE: 'App',
      ONBEHALF_PRELOAD_DIR: '/own/preload',
      XDG_RUNTIME_DIR: '/own/run',
      ...env,
    },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const status = once(child, 'exit').then(([code]) => code as number | null)
  t.after(async () => {
    child.kill('SIGKILL')
    await status
  })
  return {
    process: child,
    root: own,
    status,
    output: () => output,
    async ready(port) {
      for (let tries = 0; tries < 400; tries++) {
        assert.equal(child.exitCode, null, output)
        const answer = await send({ port, target: '/ready', headers: [] }).catch(() => undefined)
        if (answer?.status === 200) return
        await pause(25)
      }
      assert.fail(`not ready within 10 s:\n${output}`)
    },
  }
}
