// Both images: built without an engine, looked into, and run from their file systems as the users that they name.
import assert from 'node:assert/strict'
import type { ExecFileException } from 'node:child_process'
import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { freePorts } from '../../deploy/demo/ports.ts'
import { startApp } from '../support/app.ts'
import { send } from '../support/client.ts'
import { makeSigner, userClaims } from '../support/tokens.ts'
import { makeNetwork, whyNoNamespaces, type Pod } from '../interception/network.ts'
import { mounts, start } from './container.ts'
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
      files.filter((file) => /bin\/(sh|bash|dash|busybox|apt|dpkg|npm)$/.test(file)),
      [],
    )
    assert.deepEqual(files.filter((file) => file.startsWith('/onbehalf/')).toSorted(), [
      '/onbehalf/LICENSE',
      '/onbehalf/commands.cjs',
      '/onbehalf/onbehalf.cjs',
      '/onbehalf/opentelemetry.cjs',
      '/onbehalf/preload.cjs',
    ])
    const writable: string[] = []
    for (const file of files) {
      const { mode, uid, gid } = await stat(join(sidecar.root, file))
      assert.equal(uid, 0, file)
      if ((mode & 0o4002) !== 0 || gid === 15_000) writable.push(file)
    }
    // As in every Debian, and of a file system that is read-only.
    assert.deepEqual(writable.toSorted(), ['/tmp', '/var/lock', '/var/tmp'])
  })

  test('the program is text of one byte for each character, which takes half the memory', async () => {
    for (const name of ['onbehalf.cjs', 'commands.cjs', 'opentelemetry.cjs']) {
      const bytes = await readFile(join(sidecar.root, 'onbehalf', name))
      assert.ok(
        bytes.every((byte) => byte < 0x80),
        name,
      )
    }
  })

  test('both name what they are made of', async () => {
    for (const image of [sidecar, redirect]) {
      const { Labels } = image.config.config
      assert.equal(Labels['org.opencontainers.image.version'], '1.2.3')
      assert.match(Labels['org.opencontainers.image.revision'] ?? '', /^[0-9a-f]{40}(-dirty)?$|^unknown$/)
      assert.match(await readFile(join(image.root, 'etc/os-release'), 'utf8'), /^ID=debian$/m)
      assert.match(
        await readFile(join(image.root, 'var/lib/dpkg/status.d/libc6'), 'utf8'),
        /^Package: libc6$/m,
      )
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

  test('built again, by somebody with another umask, the bytes are the same', async () => {
    await buildImages(folder, { only: 'onbehalf-redirect', umask: '077' })
    assert.equal((await readImage(folder, 'onbehalf-redirect')).digest, redirect.digest)
  })

  test('a base that was asked for and cannot be had ends the build', async () => {
    const base = `oci:${folder}/none:1`
    await assert.rejects(buildImages(folder, { base, only: 'onbehalf' }), (error: ExecFileException) => {
      assert.equal(error.code, 1)
      assert.match(String(error.stderr), /^the base cannot be had: oci:/)
      return true
    })
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
    const livez = await send({ port: ports[3] as number, target: '/livez', headers: [] })
    assert.equal(livez.status, 200)
    const at = { port: ports[0] as number, target: '/' }
    const answer = await send({ ...at, headers: ['X-Pomerium-Jwt-Assertion', token] })
    assert.equal(answer.status, 200, answer.body)
    assert.equal((await send({ ...at, headers: [] })).status, 401)
    run.process.kill('SIGTERM')
    assert.equal(await run.status, 0, run.output())
  })

  test('as its user, it gives the app’s containers the preload', async (t) => {
    const signer = makeSigner()
    const ports = await freePorts(4)
    const files = {
      'mesh.yaml': meshFile(9, ports),
      'jwks.json': JSON.stringify({ keys: [signer.jwk] }),
    }
    const run = await start(t, sidecar, files)
    await run.ready(ports[3] as number)
    const copied = await readFile(join(run.root, 'preload/preload.cjs'), 'utf8')
    assert.equal(copied, await readFile(join(sidecar.root, 'onbehalf/preload.cjs'), 'utf8'))
  })

  test('a wrong mesh file ends it with status 2, and the place is named', async (t) => {
    const run = await start(t, sidecar, { 'mesh.yaml': 'routes: []\nrouts: []\n' })
    assert.equal(await run.status, 2)
    assert.match(run.output(), /mesh\.yaml:2:1 routs: .*did you mean "routes"/)
  })

  describe('the second one, with NET_ADMIN and NET_RAW alone and a root that is read-only', () => {
    test('redirects a pod', { skip: whyNoPods ?? false }, async (t) => {
      const { pod } = await makePod(t)
      await redirectPod(pod, redirect)
      for (const command of ['iptables', 'ip6tables']) assert.match(await pod.exec(command, ...rules), ours)
    })

    test(
      'redirects a pod whose kernel has the legacy tables only',
      { skip: whyNoPods ?? false },
      async (t) => {
        const { pod } = await makePod(t)
        const why = await pod.exec('iptables-legacy', ...rules).then(
          () => undefined,
          () => 'this kernel has no legacy tables',
        )
        if (why !== undefined) return t.skip(why)
        await redirectPod(pod, redirect, `mount --bind /dev/null ${redirect.root}/usr/sbin/xtables-nft-multi`)
        for (const command of ['iptables-legacy', 'ip6tables-legacy'])
          assert.match(await pod.exec(command, ...rules), ours)
      },
    )
  })
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

const rules = ['-t', 'nat', '-S']
const ours = /-A ONBEHALF_OUTBOUND .*--uid-owner 15000 -j RETURN/

async function makePod(t: TestContext): Promise<{ readonly pod: Pod }> {
  const network = await makeNetwork(['pod'])
  t.after(() => network.close())
  return network.pods
}

/** As its manifest says, after what `prepare` does to its file system. */
async function redirectPod(pod: Pod, { root, config }: BuiltImage, ...prepare: string[]): Promise<void> {
  const { Entrypoint, Cmd, Env = [] } = config.config
  // SYS_CHROOT only so that its file system can be entered.
  const few = '-all,+net_admin,+net_raw,+sys_chroot'
  const enter = `env -i ${Env.join(' ')} /usr/bin/setpriv --bounding-set=${few} --inh-caps=${few} --no-new-privs`
  const program = ['/usr/sbin/chroot', root, ...Entrypoint, ...Cmd].join(' ')
  await pod.exec(
    'unshare',
    '--mount',
    'sh',
    '-c',
    [...mounts(root), ...prepare, `exec ${enter} ${program}`].join(' && '),
  )
}
