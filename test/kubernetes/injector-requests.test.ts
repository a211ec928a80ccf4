// What the injector answers to requests that are none of an API server's, to slow and large ones, and at its end.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request, type RequestOptions } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { connect as connectPlain } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect } from 'node:tls'
import { after, before, test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { checkResponse, reviewOf } from './admission.ts'
import { bundlesOf, host, podOf, shop, startGround, type Ground, type Replica } from './injector-ground.ts'

const limits = { bodyBytes: 300_000, allBodyBytes: 500_000, requestMs: 1_000, underWay: 20, connections: 30 }
const ends: (() => unknown)[] = []
const file = { after: (end: () => unknown) => void ends.unshift(end) }
let ground: Ground
let injector: Replica

before(async () => {
  ground = await startGround(file)
  injector = await ground.replica({ intervalMs: 60_000 }, { limits })
  await injector.untilReady()
  ground.endpoints.push(injector.address.port)
})
after(async () => {
  for (const end of ends) await end()
})

const json = { 'content-type': 'application/json' }
/** Answered 100 when the request is under way. */
const begun = { ...json, expect: '100-continue' }
const uid = randomUUID()
const review = (more: object = {}) => reviewOf(uid, { pod: podOf(), ...shop }, more as never)

const untouched: readonly (readonly [string, object])[] = [
  ['an update', { operation: 'UPDATE' }],
  ['a deletion', { operation: 'DELETE', object: null }],
  ['a subresource', { subResource: 'ephemeralcontainers' }],
  ['another kind', { kind: { group: 'apps', version: 'v1', kind: 'Deployment' } }],
  ['a kind of that name in another group', { kind: { group: 'x.example', version: 'v1', kind: 'Pod' } }],
  ['no kind at all', { kind: null }],
]
for (const [what, more] of untouched)
  test(`${what} is let through as it is`, async () => {
    const { status, body } = await post(JSON.stringify(review(more)))
    assert.equal(status, 200)
    assert.deepEqual(JSON.parse(body).response, { uid, allowed: true })
  })

const noPods: readonly (readonly [string, object])[] = [
  ['none', { object: null }],
  ['a text', { object: 'pod' }],
  ['a list', { object: [] }],
  ['no spec', { object: { metadata: {} } }],
  ['containers that are none', { object: { spec: { containers: 'app' } } }],
  ['a container that is null', { object: { spec: { containers: [null] } } }],
  [
    'annotations that are none',
    { object: { metadata: { annotations: 7, labels: 7 }, spec: { containers: [{}] } } },
  ],
]
for (const [what, more] of noPods)
  test(`where the pod is ${what}, nothing is let in and nothing ends`, async () => {
    const { status, body } = await post(JSON.stringify(review(more)))
    assert.equal(status, 200)
    const { allowed, status: why } = checkResponse(JSON.parse(body), uid)
    assert.deepEqual([allowed, (why.code ?? 0) >= 400], [false, true])
  })

test('neither the answer nor the log grows with the reasons', async () => {
  const annotations = Object.fromEntries(
    Array.from({ length: 5_000 }, (_, i) => [`onbehalf.dev/unknown-${i}`, '']),
  )
  const metadata = { annotations, name: 'x'.repeat(100_000) }
  const { body } = await post(JSON.stringify(review({ object: podOf({ metadata }), name: '' })))
  const { code, message } = checkResponse(JSON.parse(body), uid).status
  assert.equal(code, 422)
  assert.match(message ?? '', /unknown-0: is not known[^]*; and \d+ more$/)
  assert.ok(body.length < 20_000, String(body.length))
  assert.ok(JSON.stringify(injector.lines.at(-1)).length < 20_000)
})

const nested = (more: string) => JSON.stringify(review({ options: 'more' })).replace('"more"', more)
const garbage: readonly (readonly [string, string | Buffer])[] = [
  ['nothing', ''],
  ['no JSON', '{"kind":'],
  ['null', 'null'],
  ['a list', '[]'],
  ['no UTF-8', Buffer.from(JSON.stringify(review({ options: 'é' })), 'latin1')],
  ['nests without end', nested('['.repeat(100_000) + ']'.repeat(100_000))],
  [
    'nests in strings and out of them',
    nested(String.raw`["\"", "]]]]"${',[['.repeat(100)}${']]'.repeat(100)}]`),
  ],
  ['another version', JSON.stringify({ ...review(), apiVersion: 'admission.k8s.io/v1beta1' })],
  ['another kind', JSON.stringify({ ...review(), kind: 'Pod' })],
  ['no request', JSON.stringify({ ...review(), request: null })],
  ['no uid', JSON.stringify(review({ uid: '' }))],
  ['a uid that is none', JSON.stringify(review({ uid: 7 }))],
]
for (const [what, body] of garbage)
  test(`a body of ${what} is answered 400, in words`, async () => {
    const answer = await post(body)
    assert.equal(answer.status, 400)
    assert.match(answer.body, /^The (body|review) .*\.\n$/)
  })

test('brackets in strings nest nothing', async () => {
  const { status, body } = await post(nested(JSON.stringify(`"\\${'[{'.repeat(1_000)}`)))
  assert.deepEqual([status, checkResponse(JSON.parse(body), uid).allowed], [200, true])
})

const unfit: readonly (readonly [string, RequestOptions, number])[] = [
  ['another path', { path: '/mutate' }, 404],
  ['a path that is none', { path: '//' }, 404],
  ['another method', { method: 'PUT' }, 405],
  ['another type', { headers: { 'content-type': 'text/plain' } }, 415],
  ['no type', { headers: {} }, 415],
]
for (const [what, how, status] of unfit)
  test(`${what} is answered ${status}, before its body is there`, async () => {
    assert.equal((await post('x'.repeat(200_000), how)).status, status)
  })

test('a type with parameters is the same type', async () => {
  const headers = { 'content-type': 'application/json; charset=utf-8' }
  assert.equal((await post(JSON.stringify(review()), { headers })).status, 200)
})

test('a body beyond the limit is answered 413, and the connection serves on', async (t) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  assert.equal((await post('x'.repeat(10 * limits.bodyBytes), { agent })).status, 413)
  assert.equal((await post(JSON.stringify(review()), { agent })).status, 200)
})

test('a body that is announced beyond the limit is not waited for', async () => {
  const { asking, status } = slowly({ headers: { ...json, 'content-length': limits.bodyBytes + 1 } })
  asking.write('{')
  assert.equal(await status, 413)
})

test('of bodies that are too large together the oldest is cut off, and a newcomer is served', async () => {
  const held = [slowly({ headers: begun }), slowly({ headers: begun })]
  for (const { asking } of held) {
    asking.write('x'.repeat(limits.allBodyBytes / 2 - 1_000))
    await once(asking, 'continue')
  }
  assert.equal((await post(JSON.stringify(review({ options: 'x'.repeat(10_000) })))).status, 200)
  assert.equal(await held[0]?.status, 0)
  for (const { asking } of held) asking.destroy()
})

test('a client that never sends its body is cut off in time', async () => {
  const startedMs = performance.now()
  const { asking, status } = slowly()
  asking.write('{')
  assert.equal(await status, 408)
  assert.ok(performance.now() - startedMs < 5_000)
})

test('a client that leaves midway costs nothing', async () => {
  const { asking, status } = slowly()
  await once(asking, 'socket').then(([socket]) => once(socket as NodeJS.EventEmitter, 'secureConnect'))
  asking.write('{')
  asking.destroy()
  await status
  assert.equal((await post(JSON.stringify(review()))).status, 200)
})

test('whoever holds reviews under way shuts nobody out: the oldest goes', async () => {
  const held = Array.from({ length: limits.underWay }, () => slowly({ headers: begun }))
  await Promise.all(held.map(({ asking }) => begin(asking)))
  assert.equal((await post(JSON.stringify(review()))).status, 200)
  assert.equal(await held[0]?.status, 0)
  for (const { asking } of held) asking.destroy()
  assert.ok(injector.lines.some(({ message }) => /the oldest is cut off/.test(String(message))))
})

test('whoever holds connections open shuts nobody out: the oldest goes', async (t) => {
  const held = Array.from({ length: limits.connections }, () =>
    connectPlain(injector.address.port, '127.0.0.1'),
  )
  t.after(() => held.forEach((socket) => socket.destroy()))
  await Promise.all(held.map((socket) => once(socket.resume(), 'connect')))
  assert.equal((await post(JSON.stringify(review()))).status, 200)
  assert.ok(held.some(({ closed }) => closed))
})

test('a review that is under way when it ends is answered, on a connection that then ends', async (t) => {
  const leaving = await ground.replica({ intervalMs: 60_000 }, { limits: { idleMs: 0 } })
  await leaving.untilReady()
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const asking = ask({ port: leaving.address.port, headers: begun, agent })
  const body = JSON.stringify(review())
  asking.write(body.slice(0, 10))
  await once(asking, 'continue')
  const stopped = leaving.stop()
  // Nobody new is taken any more.
  await eventually(() => isClosed(leaving.address.port))
  asking.end(body.slice(10))
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  assert.deepEqual([response.statusCode, response.headers.connection], [200, 'close'])
  await text(response)
  await stopped
})

test('what is asked while it drains is answered on a connection that then ends', async (t) => {
  const leaving = await ground.replica({ intervalMs: 60_000 }, { drainDelayMs: 100 })
  await leaving.untilReady()
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const stopped = leaving.stop()
  const asking = ask({ port: leaving.address.port, agent })
  asking.end(JSON.stringify(review()))
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  assert.deepEqual([response.statusCode, response.headers.connection], [200, 'close'])
  await text(response)
  await stopped
})

test('a review without an end does not hold up the end', async () => {
  const leaving = await ground.replica({ intervalMs: 60_000 }, { limits: { farewellMs: 100 } })
  await leaving.untilReady()
  const { asking, status } = slowly({ port: leaving.address.port, headers: begun })
  asking.write('{')
  await once(asking, 'continue')
  const startedMs = performance.now()
  await leaving.stop()
  assert.equal(await status, 0)
  assert.ok(performance.now() - startedMs < 5_000)
})

test('TLS before 1.2 is not spoken, and a certificate is not taken for another name', async () => {
  const base = { host: '127.0.0.1', port: injector.address.port, ca: bundle() }
  const old = {
    ...base,
    servername: host,
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT:@SECLEVEL=0',
  } as const
  const [fault] = (await once(connect(old), 'error')) as [NodeJS.ErrnoException]
  assert.match(String(fault.code), /ALERT_PROTOCOL_VERSION|UNSUPPORTED/)
  const [other] = (await once(connect({ ...base, servername: 'other.onbehalf-system.svc' }), 'error')) as [
    NodeJS.ErrnoException,
  ]
  assert.equal(other.code, 'ERR_TLS_CERT_ALTNAME_INVALID')
})

test('an API server that does not trust the certificate shows in the log', async () => {
  const stranger = connect({ host: '127.0.0.1', port: injector.address.port, servername: host })
  await once(stranger, 'error')
  await eventually(async () => injector.lines.some(({ message }) => message === 'TLS was not agreed on'))
})

const bundle = () => Buffer.from(bundlesOf(ground)[0] ?? '', 'base64').toString()

async function isClosed(port: number): Promise<boolean> {
  const socket = connectPlain(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return false
  } catch {
    return true
  } finally {
    socket.destroy()
  }
}

function ask(how: RequestOptions) {
  const { port } = injector.address
  const deadline = AbortSignal.timeout(10_000)
  return request({
    host: '127.0.0.1',
    port,
    servername: host,
    ca: bundle(),
    method: 'POST',
    path: '/inject?timeout=5s',
    headers: json,
    agent: false,
    signal: deadline,
    ...how,
  })
}

async function post(body: string | Buffer, how: RequestOptions = {}) {
  const asking = ask(how)
  // Before `end`, so that the length is not announced.
  asking.write(body)
  asking.end()
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  return { status: response.statusCode ?? 0, body: await text(response) }
}

/** One whose body has no end; 0 where the connection ends without an answer. */
function slowly(how: RequestOptions = {}) {
  const asking = ask(how)
  const status = once(asking, 'response').then(
    ([response]) => (response as IncomingMessage).resume().statusCode ?? 0,
    () => 0,
  )
  asking.on('error', () => {})
  return { asking, status }
}

async function begin(asking: ReturnType<typeof ask>): Promise<void> {
  asking.write('{')
  await once(asking, 'continue')
}
