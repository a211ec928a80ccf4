// `onbehalf injector` as a command: its flags and variables, what is wrong use, and its end.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { commands } from '../../deploy/cli/commands.ts'
import { readInjectorSettings } from '../../deploy/cli/injector-settings.ts'
import { freePorts } from '../../deploy/demo/ports.ts'
import { main } from '../../sidecar/cli/main.ts'
import { send } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { certifyLocalhost } from '../support/localhost-tls.ts'

const program = join(import.meta.dirname, '../../deploy/cli/onbehalf.ts')

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  let stderr = ''
  const output = { write: (text: string) => void (stderr += text) }
  const status = await main(
    ['injector', ...args],
    { stdout: output, stderr: output, env, cwd: tmpdir() },
    commands,
  )
  return { status, stderr }
}

async function files(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-injector-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const { caPem, cert, key } = await certifyLocalhost()
  await writeFile(join(folder, 'tls.crt'), cert)
  await writeFile(join(folder, 'tls.key'), key)
  return {
    caPem,
    flags: ['--tls-certificate', join(folder, 'tls.crt'), '--tls-key', join(folder, 'tls.key')],
  }
}

test('it serves by the files that it is given, injects as it is told to, and SIGTERM ends it with status 0', async (t) => {
  const { caPem, flags } = await files(t)
  const [port = 0, probes = 0] = await freePorts(2)
  const listen = ['--listen', `127.0.0.1:${port}`, '--listen-probes', `127.0.0.1:${probes}`]
  const env = {
    ...process.env,
    ONBEHALF_IMAGE: 'registry.example.com/onbehalf:7',
    ONBEHALF_DRAIN_DELAY: '0s',
  }
  const child = spawn(process.execPath, [program, 'injector', ...flags, ...listen], { env })
  t.after(() => child.kill('SIGKILL'))
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  await eventually(async () => said.includes('"listening"'))
  assert.equal((await send({ port: probes, target: '/ready' })).status, 200)
  const patch = await inject(port, caPem)
  assert.match(patch, /"image":"registry\.example\.com\/onbehalf:7"/)
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
  assert.match(said, /"outcome":"injected","namespace":"shop","pod":"web"[^]*"draining"[^]*"stopped"/)
})

async function inject(port: number, ca: string): Promise<string> {
  const pod = { metadata: { name: 'web' }, spec: { containers: [{ name: 'app' }] } }
  const annotated = { ...pod, metadata: { ...pod.metadata, annotations: { 'onbehalf.dev/service': 'Web' } } }
  const asking = request({
    host: '127.0.0.1',
    servername: 'localhost',
    port,
    ca,
    method: 'POST',
    path: '/inject',
    headers: { 'content-type': 'application/json' },
    signal: AbortSignal.timeout(10_000),
  })
  const kind = { group: '', version: 'v1', kind: 'Pod' }
  const about = { uid: 'u', namespace: 'shop', operation: 'CREATE', kind, object: annotated }
  asking.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: about }))
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  const { response: answered } = (await json(response)) as { response: { patch: string } }
  return Buffer.from(answered.patch, 'base64').toString()
}

test('a log that nobody reads costs lines, and not the memory of the process', async (t) => {
  const { flags } = await files(t)
  const [port = 0, probes = 0] = await freePorts(2)
  const listen = ['--listen', `127.0.0.1:${port}`, '--listen-probes', `127.0.0.1:${probes}`]
  let said = ''
  const stderr = { writableLength: 5 * 1024 * 1024, write: (text: string) => void (said += text) }
  const args = ['injector', ...flags, ...listen, '--drain-delay', '0s']
  const status = main(args, { stdout: stderr, stderr, env: {}, cwd: tmpdir() }, commands)
  const ask = (target: string) => send({ port: probes, target }).catch(() => undefined)
  await eventually(async () => (await ask('/ready'))?.status === 200)
  const metrics = await ask('/metrics')
  process.kill(process.pid, 'SIGTERM')
  assert.deepEqual([await status, said], [0, ''])
  assert.match(metrics?.body ?? '', /^onbehalf_log_dropped_total 1$/m)
})

test('a flag is over its variable, and an empty variable is none', () => {
  const env = {
    ONBEHALF_IMAGE: 'a',
    ONBEHALF_MESH: 'b',
    ONBEHALF_REDIRECT_IMAGE: '',
    ONBEHALF_BOOTSTRAP: 'true',
  }
  const { settings, serving, drainDelayMs } = readInjectorSettings(
    { image: 'c', 'drain-delay': '1500ms' },
    env,
  )
  assert.deepEqual([settings.image, settings.mesh], ['c', 'b'])
  assert.match(settings.redirectImage, /^onbehalf-redirect:/)
  assert.deepEqual([serving.kind, drainDelayMs], ['bootstrap', 1_500])
})

test('OTEL_* stands in every sidecar as it is here, but for what the injector is itself', () => {
  const env = {
    ONBEHALF_BOOTSTRAP: 'true',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://otel:4317/$(A)',
    OTEL_SERVICE_NAME: 'injector',
    OTEL_RESOURCE_ATTRIBUTES: 'a=b',
    PATH: '/bin',
  }
  // So that the kubelet gives the sidecar what stands here.
  assert.deepEqual(readInjectorSettings({}, env).settings.environment, [
    { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://otel:4317/$$(A)' },
  ])
})

const bootstrap = { ONBEHALF_BOOTSTRAP: 'true' }
const wrong: readonly (readonly [readonly string[], NodeJS.ProcessEnv, RegExp])[] = [
  [[], {}, /say either --bootstrap, or both --tls-certificate and --tls-key/],
  [['--tls-certificate', 'a'], {}, /say either --bootstrap, or both/],
  [['--tls-certificate', 'a', '--tls-key', 'b'], bootstrap, /say either --bootstrap, or both/],
  [['--tls-certificate', 'none.crt', '--tls-key', 'none.key'], {}, /cannot read .*none\.crt: ENOENT/],
  [['--bootstrap'], {}, /--bootstrap works in a pod alone: KUBERNETES_SERVICE_HOST is not set/],
  [[], { ONBEHALF_BOOTSTRAP: 'yes' }, /--bootstrap: "yes" is neither true nor false/],
  [['--bootstrap', '--listen', '8443'], {}, /--listen: "8443" must be an IP address and a port/],
  [['--bootstrap', '--drain-delay', '5'], {}, /--drain-delay: "5" is no time such as 5s/],
  [['--bootstrap', '--sidecar', 'natve'], {}, /--sidecar: "natve" is none of native, classic/],
  [['--bootstrap', '--log-level', 'all'], {}, /--log-level: "all" is none of/],
  [['--bootstrap', '--log-format', 'xml'], {}, /--log-format: "xml" is none of auto, json, text/],
]
for (const [args, env, why] of wrong)
  test(`wrong use: ${[...args, ...Object.values(env)].join(' ')}`, async () => {
    const { status, stderr } = await run(args, env)
    assert.equal(status, 2)
    assert.match(stderr, why)
  })

test('an address that is taken ends it with status 2, and is named', async (t) => {
  const { flags } = await files(t)
  const [port = 0] = await freePorts(1)
  const both = ['--listen', `127.0.0.1:${port}`, '--listen-probes', `127.0.0.1:${port}`]
  const { status, stderr } = await run([...flags, ...both])
  assert.equal(status, 2)
  assert.match(stderr, new RegExp(`cannot listen: .*EADDRINUSE.*:${port}`))
})
