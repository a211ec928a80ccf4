// The attacker sets the environment of the sidecar's process, and wants its calls, its keys and its admin token to go by
// a proxy of his.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { connect, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { startSidecarProcess, type SidecarProcess } from '../endurance/sidecar-process.ts'
import { rawValues } from '../support/app.ts'
import { send } from '../support/client.ts'
import { certifyLocalhost } from '../support/localhost-tls.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { startCollector } from '../telemetry/collector.ts'
import { assertionName, asUser, calling, forName, handleName, startRaw, until } from './attack.ts'

type Environment = Readonly<Record<string, string>>

const names = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'FTP_PROXY',
  'GRPC_PROXY',
  'PROXY',
  'npm_config_proxy',
]

/** All that any client reads, with nothing exempt. */
function proxied(port: number): Environment {
  const proxy = `http://127.0.0.1:${port}`
  const both = names.flatMap((name) => [name, name.toLowerCase()])
  const proxies = Object.fromEntries(both.map((name) => [name, proxy]))
  return { ...proxies, NO_PROXY: '', no_proxy: '', NODE_USE_ENV_PROXY: '1', NODE_OPTIONS: '--use-env-proxy' }
}

interface Trap {
  readonly port: number
  /** Every byte that anybody told it. */
  heard(): string
}

/** Takes a tunnel wherever it is asked to, as a proxy does, and reads along. */
async function startTrap(t: TestContext): Promise<Trap> {
  let heard = ''
  const port = await startRaw(t, (socket) => {
    socket.on('data', (part: Buffer) => (heard += part.toString('latin1')))
    socket.once('data', (part: Buffer) => {
      const target = /^CONNECT (\S+):(\d+) /.exec(part.toString('latin1'))
      if (target === null) return void socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n')
      const server = connect(Number(target[2]), String(target[1]))
      server.once('error', () => socket.destroy())
      socket.once('close', () => server.destroy())
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(server).pipe(socket)
    })
  })
  return { port, heard: () => heard }
}

/** The keys of the issuer, by TLS; how often they were fetched. */
async function serveKeys(t: TestContext, mesh: TestMesh) {
  const { caPem, cert, key } = await certifyLocalhost()
  await writeFile(join(mesh.folder, 'issuer-ca.pem'), caPem)
  let fetches = 0
  const server = createServer({ cert, key }, (_request, response) => {
    fetches++
    response.end(JSON.stringify({ keys: [mesh.pomerium.signingKey().jwk] }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `https://localhost:${(server.address() as AddressInfo).port}/keys`, fetches: () => fetches }
}

/** What an `onbehalf` command says beside a running sidecar. */
async function command(mesh: TestMesh, { admin }: SidecarProcess, env: Environment): Promise<string> {
  const bundle = join(import.meta.dirname, '../../dist/onbehalf.cjs')
  const where = ['--config', mesh.meshFile, '--service', 'App', '--listen-admin', `127.0.0.1:${admin}`]
  const child = spawn(process.execPath, [bundle, 'keys', ...where], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  const [said, complained] = await Promise.all([text(child.stdout), text(child.stderr)])
  return said + complained
}

/** A call of alice's, by App to API; the credentials that API's app got. */
async function callAsAlice(mesh: TestMesh, app: SidecarProcess): Promise<string[]> {
  calling(mesh.apps.App, app.outbound, hosts.API, ({ headers }) => [handleName, String(headers[handleName])])
  const headers = await asUser(mesh, 'alice')
  assert.equal((await send({ port: app.inbound, headers })).status, 200)
  const received = mesh.apps.API.received.at(-1)
  const given = [assertionName, forName].flatMap((name) => rawValues(received, name))
  assert.equal(given.length, 2)
  return given
}

for (const keys of ['http', 'https']) {
  test(`calls, keys by ${keys} and the admin token go where the mesh file says`, async (t) => {
    const trap = await startTrap(t)
    const env = proxied(trap.port)
    const mesh = await startMesh(t, { run: ['API'], settings: { egress: { local: 'allow' } } })
    const secure = await serveKeys(t, mesh)
    if (keys === 'https') {
      await mesh.writeMeshFile(({ issuers }) => {
        Object.assign(issuers[0] ?? {}, { jwks: secure.url, ca: 'issuer-ca.pem' })
      })
    }
    const app = await startSidecarProcess(t, mesh, 'App', env)
    assert.equal(secure.fetches() > 0, keys === 'https')
    await callAsAlice(mesh, app)
    const stranger = `127.0.0.1:${mesh.apps.Ledger.port}`
    assert.equal((await send({ port: app.outbound, host: stranger })).body, 'ok')
    assert.match(await command(mesh, app, env), new RegExp(mesh.pomerium.signingKey().kid.slice(0, 8)))
    assert.equal(await app.terminate(), 0)
    assert.equal(trap.heard(), '')
  })
}

// To let it go by a proxy is for who runs the sidecar to say; gRPC's client reads the variables, that of HTTP does not.
for (const protocol of ['grpc', 'http/protobuf']) {
  test(`telemetry by ${protocol} may go by a proxy, and holds no credential`, async (t) => {
    const trap = await startTrap(t)
    const collector = await startCollector(t)
    const mesh = await startMesh(t, { run: ['API'] })
    const app = await startSidecarProcess(t, mesh, 'App', {
      ...proxied(trap.port),
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_EXPORTER_OTLP_ENDPOINT: protocol === 'grpc' ? collector.grpcUrl : collector.httpUrl,
      OTEL_TRACES_SAMPLER: 'always_on',
      OTEL_BSP_SCHEDULE_DELAY: '100',
    })
    const credentials = await callAsAlice(mesh, app)
    await until('spans have come', () => collector.spans.length > 0)
    assert.equal(await app.terminate(), 0)
    const parts = credentials.flatMap((token) => token.split('.').slice(1))
    assert.deepEqual(
      parts.filter((part) => trap.heard().includes(part)),
      [],
    )
    assert.equal(trap.heard() !== '', protocol === 'grpc')
  })
}
