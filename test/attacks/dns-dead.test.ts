// The attacker keeps names from resolving, or resolves them to where nobody listens, and wants the sidecar not to start, not to serve others, or not to recover.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { freePorts } from '../../deploy/demo/ports.ts'
import { kill } from '../clients/child.ts'
import { send } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { certifyLocalhost } from '../support/localhost-tls.ts'
import { redisMissing, startRedis } from '../support/redis.ts'
import { asUser, assertionName, gauge } from './attack.ts'

/** What the name server does with each question; an address in IPv4 is the answer. */
type Says = 'nothing' | 'SERVFAIL' | 'NXDOMAIN' | '127.77.0.1' | '127.0.0.1'

const codes = { SERVFAIL: 2, NXDOMAIN: 3 } as const
const typeA = 1

/** An answer by RFC 1035, of at most one address. */
function answerTo(query: Buffer, says: Exclude<Says, 'nothing'>): Buffer {
  let end = 12
  while (query[end] !== 0) end += 1 + (query[end] ?? 0)
  const question = query.subarray(12, end + 5)
  const code = says === 'SERVFAIL' || says === 'NXDOMAIN' ? codes[says] : 0
  const isAnswered = code === 0 && question.readUInt16BE(question.length - 4) === typeA
  const head = Buffer.from([0x81, 0x80 | code, 0, 1, 0, isAnswered ? 1 : 0, 0, 0, 0, 0])
  // The name of the question, of type A, in IN, for a second.
  const record = Buffer.from([0xc0, 12, 0, typeA, 0, 1, 0, 0, 0, 1, 0, 4, ...says.split('.').map(Number)])
  return Buffer.concat([query.subarray(0, 2), head, question, ...(isAnswered ? [record] : [])])
}

interface NameServer {
  readonly address: string
  says: Says
  /** A name that stands for loopback, whatever is said of others. */
  known?: string
}

function nameIn(query: Buffer): string {
  const labels: string[] = []
  for (let at = 12; query[at] !== 0; at += 1 + (query[at] ?? 0)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + (query[at] ?? 0)))
  }
  return labels.join('.')
}

async function startNameServer(t: TestContext, says: Says): Promise<NameServer> {
  const server: NameServer = { address: `127.77.${process.pid & 255}.53`, says }
  const socket = createSocket('udp4').bind(53, server.address)
  await once(socket, 'listening')
  t.after(() => socket.close())
  socket.on('message', (query, { port, address }) => {
    const told = nameIn(query) === server.known ? '127.0.0.1' : server.says
    if (told !== 'nothing') socket.send(answerTo(query, told), port, address)
  })
  return server
}

/** Why a process cannot be given name servers of its own. */
function whyNoNames(): string | false {
  const probe = spawnSync('unshare', ['--mount', 'mount', '--bind', '/etc/hosts', '/etc/resolv.conf'])
  return probe.status === 0 ? false : 'a mount namespace cannot be made here'
}

interface Ground {
  readonly mesh: TestMesh
  readonly names: NameServer
  readonly inbound: number
  readonly outbound: number
  readonly probes: number
}

/** The stand-in's keys over TLS, for whoever asks for `keys.test`. */
async function startKeys(t: TestContext, { folder, pomerium }: TestMesh): Promise<number> {
  const { caPem, cert, key } = await certifyLocalhost('keys.test')
  await writeFile(join(folder, 'keys-ca.pem'), caPem)
  const keys = JSON.stringify({ keys: [pomerium.signingKey().jwk] })
  const server = createServer({ cert, key }, (_request, response) => response.end(keys))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

const bundle = join(import.meta.dirname, '../../dist/onbehalf.cjs')

const at = (port: number) => `127.0.0.1:${port}`

/** App's sidecar, for which a route, an issuer and the store are known by names alone. */
async function start(t: TestContext, says: Says): Promise<Ground> {
  const names = await startNameServer(t, says)
  const redis = await startRedis(t)
  const [inbound = 0, outbound = 0, probes = 0] = await freePorts(3)
  const listen = { inbound: at(inbound), outbound: at(outbound), admin: at(0), probes: at(probes) }
  const mesh = await startMesh(t, {
    run: [],
    settings: {
      timeouts: { connect: '2s', linger: '2s', drain: '1s' },
      store: { redis: { url: `redis://store.test:${redis.port}` } },
    },
    services: { App: { listen } },
  })
  const keysPort = await startKeys(t, mesh)
  await mesh.writeMeshFile((file) => {
    const jwks = `https://keys.test:${keysPort}/`
    file.issuers.push({ name: 'named', issuer: ['named.test'], jwks, ca: 'keys-ca.pem' })
    for (const route of file.routes) {
      if (route['name'] === 'API') route['to'] = mesh.apps.API.origin
      if (route['name'] === 'Ledger') route['to'] = `http://route.test:${mesh.apps.Ledger.port}`
    }
  })
  const resolver = join(mesh.folder, 'resolv.conf')
  await writeFile(resolver, `nameserver ${names.address}\n`)
  const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
  const command = [process.execPath, bundle, 'run', '--config', mesh.meshFile, '--service', 'App']
  const child = spawn('unshare', ['--mount', 'sh', '-c', script, resolver, ...command], {
    stdio: 'ignore',
  })
  t.after(() => kill(child))
  await eventually(async () => {
    assert.equal(child.exitCode, null, 'it ended')
    return (await send({ port: probes, target: '/livez' }).catch(() => undefined))?.status === 200
  })
  return { mesh, names, inbound, outbound, probes }
}

async function verdictOf(port: number, headers: readonly string[], host: string): Promise<string> {
  const { status, code } = await send({ port, headers, host })
  return `${status} ${code}`.trim()
}

async function ofNamedIssuer({ mesh, inbound }: Ground): Promise<string> {
  const claims = { ...mesh.pomerium.claims('alice', hosts.App), iss: 'named.test' }
  return verdictOf(inbound, [assertionName, await mesh.pomerium.sign(claims)], hosts.App)
}

async function assertOthersServed({ mesh, inbound, outbound }: Ground): Promise<void> {
  assert.equal(await verdictOf(inbound, await asUser(mesh, 'alice'), hosts.App), '200')
  assert.equal(await verdictOf(outbound, [], hosts.API), '200')
}

const rows: readonly (readonly [says: Says, ofRoute: string])[] = [
  ['nothing', '504 upstream_timeout'],
  ['SERVFAIL', '502 upstream_refused'],
  ['NXDOMAIN', '502 upstream_refused'],
  ['127.77.0.1', '502 upstream_refused'],
]
const skip =
  process.platform !== 'linux' ? 'mount namespaces are a matter of Linux' : redisMissing || whyNoNames()
for (const [says, ofRoute] of rows) {
  test(
    `a name server that says ${says}: others are served, and all is well when it is`,
    { skip },
    async (t) => {
      const ground = await start(t, says)
      const ready = () => send({ port: ground.probes, target: '/ready' })
      const refused = Promise.all([verdictOf(ground.outbound, [], hosts.Ledger), ofNamedIssuer(ground)])
      await assertOthersServed(ground)
      assert.match((await ready()).body, /the keys of issuer named were never loaded/)
      assert.deepEqual(await refused, [ofRoute, '503 keys_unavailable'])
      await assertOthersServed(ground)
      assert.equal(await gauge(ground, 'onbehalf_store_up'), 0)
      ground.names.says = '127.0.0.1'
      await eventually(async () => (await ready()).status === 200, 60_000)
      await eventually(async () => (await verdictOf(ground.outbound, [], hosts.Ledger)) === '200', 60_000)
      assert.equal(await ofNamedIssuer(ground), '200')
      await eventually(async () => (await gauge(ground, 'onbehalf_store_up')) === 1, 60_000)
      await assertOthersServed(ground)
    },
  )
}

test('names without an answer that the app chooses hold up no name of a route', { skip }, async (t) => {
  const ground = await start(t, 'nothing')
  ground.names.known = 'route.test'
  const dead = Array.from({ length: 40 }, (_, i) => verdictOf(ground.outbound, [], `host${i}.dead.test`))
  assert.equal(await verdictOf(ground.outbound, [], hosts.Ledger), '200')
  assert.deepEqual([...new Set(await Promise.all(dead))], ['504 upstream_timeout'])
  assert.equal(await verdictOf(ground.outbound, [], hosts.Ledger), '200')
})
