// The attacker answers for the address of an issuer's key set, and wants the sidecar full, hanging, without the keys that it had, or content with none.
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { mebibyte, residentOf, watchResident } from '../endurance/resident.ts'
import { startSidecarProcess } from '../endurance/sidecar-process.ts'
import { send, type Answer } from '../support/client.ts'
import { hosts, startMesh, startPod, type TestMesh } from '../support/mesh.ts'
import { asUser, assertionName, startRaw, until } from './attack.ts'

type Flood = (socket: Socket) => void

const ok = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
const answering =
  (head: string, body: string | Buffer = ''): Flood =>
  (socket) => {
    socket.write(`${head}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n`)
    socket.end(body)
  }

const chunk = Buffer.alloc(64 * 1024, ' ')
const chunked = Buffer.concat([Buffer.from('10000\r\n'), chunk, Buffer.from('\r\n')])

/** As fast as it is taken, until `bytes` are written or the connection is closed. */
const pouring =
  (head: string, part: Buffer, bytes = Infinity): Flood =>
  (socket) => {
    socket.write(head)
    const more = () => {
      while (!socket.destroyed && socket.bytesWritten < bytes) if (!socket.write(part)) return
    }
    socket.on('drain', more)
    more()
  }

/** Something, and never the rest. */
const stalling =
  (begin: string): Flood =>
  (socket) =>
    void socket.write(begin)

const dripping: Flood = (socket) => {
  socket.write(`${ok}Content-Length: 1000\r\n\r\n{"keys":[`)
  const timer = setInterval(() => socket.write(' '), 1_000)
  socket.once('close', () => clearInterval(timer))
}

/** Some 100 MB of blanks before an empty key set, in 100 KB. */
const bomb = gzipSync(Buffer.concat([Buffer.alloc(100_000_000, ' '), Buffer.from('{"keys":[]}')]))
const manyKeys = (count: number) => `{"keys":[${Array(count).fill('{}').join()}]}`

const floods: Readonly<Record<string, Flood>> = {
  'of 100 MB': pouring(`${ok}Content-Length: 100000000\r\n\r\n`, chunk, 100_000_000),
  'without end, in chunks': pouring(`${ok}Transfer-Encoding: chunked\r\n\r\n`, chunked),
  'without end, until the connection closes': pouring(`${ok}\r\n`, chunk),
  'of a length that is never reached': stalling(`${ok}Content-Length: 100000\r\n\r\n{"keys":[`),
  'of a byte a second': dripping,
  'of a field without end': pouring(`${ok}X-Long: `, Buffer.alloc(64 * 1024, 'x')),
  'of blanks without end': pouring(`${ok}X-Blank: `, chunk),
  'of fields without end': pouring(ok, Buffer.from('X-Field: value\r\n'.repeat(4_096))),
  'of interim answers without end': pouring('', Buffer.from('HTTP/1.1 103 Hints\r\n\r\n'.repeat(2_048))),
  'of 1,000,000 keys': answering(ok, manyKeys(1_000_000)),
  'of as many keys as fit in a megabyte': answering(ok, manyKeys(340_000)),
  'of lists, 100,000 deep, that do not end': answering(ok, `{"keys":${'['.repeat(100_000)}`),
  'that is a bomb of gzip': answering(`${ok}Content-Encoding: gzip\r\n`, bomb),
  'that is HTML': answering('HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n', '<html>Sign in</html>'),
  'that is empty': answering(ok),
  'that is no content': (socket) => void socket.end('HTTP/1.1 204 No Content\r\n\r\n'),
  'that breaks off': (socket) => void socket.end(`${ok}Content-Length: 1000\r\n\r\n{"keys":[]}`),
  'that breaks off within a chunk': (socket) =>
    void socket.end(`${ok}Transfer-Encoding: chunked\r\n\r\nff\r\n{"keys":[]}`),
  'that is never sent': () => undefined,
}
const names = Object.keys(floods)

/** Of which nothing is kept, so that no length but the deadline of the fetch ends them. */
const endedInTime = new Set(['of blanks without end', 'of interim answers without end'])

/** What kernels hold of a connection that nobody reads, and far from 100 MB. */
const mostBytes = 32 * mebibyte
/** More than all of them together may make a sidecar grow. */
const maxGrowthBytes = 160 * mebibyte

interface Issuers {
  /** Of the mesh file: one issuer for each flood. */
  readonly entries: Record<string, unknown>[]
  isHostile: boolean
  /** What they answer with while they are not. */
  keys: string
  /** Those of whose answer more was taken than kernels hold, but for those of {@link endedInTime}. */
  readonly swallowed: Set<string>
}

const issuerName = (i: number) => `flood-${i}.test`

async function startIssuers(t: TestContext): Promise<Issuers> {
  const issuers: Issuers = { entries: [], isHostile: false, keys: '', swallowed: new Set() }
  for (const [i, [name, flood]] of Object.entries(floods).entries()) {
    const port = await startRaw(t, (socket) => {
      socket.once('data', () => (issuers.isHostile ? flood : answering(ok, issuers.keys))(socket))
      socket.once('close', () => {
        if (socket.bytesWritten > mostBytes && !endedInTime.has(name)) issuers.swallowed.add(name)
      })
    })
    const jwks = `http://127.0.0.1:${port}/jwks`
    issuers.entries.push({ name: `flood-${i}`, issuer: [issuerName(i)], jwks })
  }
  return issuers
}

/** A mesh that trusts all of them beside the stand-in, whose keys they have; no sidecar runs yet. */
async function startFlooded(t: TestContext): Promise<{ mesh: TestMesh; issuers: Issuers }> {
  const issuers = await startIssuers(t)
  const mesh = await startMesh(t, { run: [] })
  await mesh.writeMeshFile((file) => file.issuers.push(...issuers.entries))
  issuers.keys = keysOf(mesh)
  return { mesh, issuers }
}

function keysOf({ pomerium }: TestMesh): string {
  return JSON.stringify({ keys: [pomerium.signingKey().jwk] })
}

/** The answers to one good token of each issuer; of `kid`, where it says so. */
function askAll(mesh: TestMesh, inbound: number, kid?: string): Promise<Answer[]> {
  const { pomerium } = mesh
  const header = { alg: 'ES256', typ: 'JWT', kid: kid ?? pomerium.signingKey().kid }
  const one = async (_name: string, i: number) => {
    const claims = { ...pomerium.claims('alice', hosts.App), iss: issuerName(i) }
    const token = await pomerium.sign(claims, { header })
    return send({ port: inbound, headers: [assertionName, token] })
  }
  return Promise.all(names.map(one))
}

const verdictOf = ({ status, code }: Answer) => `${status} ${code}`.trim()

/** As {@link askAll}, with what was flooded: so a fault says which it was. */
async function verdictsOf(answers: Promise<Answer[]>): Promise<Record<string, string>> {
  return Object.fromEntries((await answers).map((answer, i) => [names[i], verdictOf(answer)]))
}

const allAre = (verdict: string) => Object.fromEntries(names.map((name) => [name, verdict]))

async function untilAllServed(mesh: TestMesh, inbound: number): Promise<void> {
  await until('all are served', async () =>
    (await askAll(mesh, inbound)).every(({ status }) => status === 200),
  )
}

test('a flood in place of a key set never known refuses its own users alone, with 503', async (t) => {
  const { mesh, issuers } = await startFlooded(t)
  issuers.isHostile = true
  const pod = await startPod(t, mesh, 'App', { awaitReady: false })
  const asked = verdictsOf(askAll(mesh, pod.inbound))
  await until('others are served meanwhile', async () => {
    const { status } = await send({ port: pod.inbound, headers: await asUser(mesh, 'alice') })
    return status === 200
  })
  assert.deepEqual(await asked, allAre('503 keys_unavailable'))
  assert.deepEqual([...issuers.swallowed], [])
  issuers.isHostile = false
  await untilAllServed(mesh, pod.inbound)
})

test('a flood in place of a key set that is known costs little, and the keys keep counting', async (t) => {
  const { mesh, issuers } = await startFlooded(t)
  const app = await startSidecarProcess(t, mesh, 'App')
  assert.deepEqual(await verdictsOf(askAll(mesh, app.inbound)), allAre('200'))
  issuers.isHostile = true
  const before = residentOf(app.pid)
  const watch = watchResident(app.pid)
  const flooded = verdictsOf(askAll(mesh, app.inbound, 'unknown'))
  assert.deepEqual(await verdictsOf(askAll(mesh, app.inbound)), allAre('200'))
  assert.deepEqual(await flooded, allAre('503 keys_unavailable'))
  assert.deepEqual(await verdictsOf(askAll(mesh, app.inbound)), allAre('200'))
  const grown = watch.stop() - before
  t.diagnostic(`${Math.round(grown / mebibyte)} MiB more`)
  assert.ok(grown < maxGrowthBytes, `grew by ${Math.round(grown / mebibyte)} MiB`)
  assert.deepEqual([...issuers.swallowed], [])
  await mesh.pomerium.rotateKey({ dropOld: true })
  issuers.keys = keysOf(mesh)
  issuers.isHostile = false
  await untilAllServed(mesh, app.inbound)
  assert.equal(await app.terminate(), 0)
})

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`

/** What is odd and yet a key set: the good key in it counts, and the rest is passed over. */
const oddities: Readonly<Record<string, (jwk: string) => string>> = {
  'lists 100,000 deep beside it': (jwk) => `{"keys":[${nested(100_000)},${jwk}]}`,
  'a member 100,000 deep': (jwk) => `{"keys":[${jwk.replace(/}$/, `,"x5c":${nested(100_000)}}`)}]}`,
  'another key whose members are 100,000 deep': (jwk) =>
    `{"keys":[{"kid":"deep","kty":"EC","crv":${nested(100_000)},"key_ops":${nested(100_000)}},${jwk}]}`,
  'a megabyte of blanks before it': (jwk) => `${' '.repeat(mebibyte - 1_000)}{"keys":[${jwk}]}`,
  'the name of a compression, and none': (jwk) => `{"keys":[${jwk}]}`,
}
for (const [what, documentOf] of Object.entries(oddities)) {
  test(`a key counts that comes with ${what}`, async (t) => {
    let body = ''
    const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n'
    const port = await startRaw(t, (socket) => socket.once('data', () => answering(head, body)(socket)))
    const mesh = await startMesh(t, { run: [], issuer: { jwks: `http://127.0.0.1:${port}/` } })
    body = documentOf(JSON.stringify(mesh.pomerium.signingKey().jwk))
    const pod = await startPod(t, mesh, 'App')
    const headers = await asUser(mesh, 'alice')
    assert.equal((await send({ port: pod.inbound, headers })).status, 200)
  })
}
