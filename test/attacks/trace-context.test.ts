// The attacker writes the trace context: handles, trace ids, and lists that are to crowd ours out or break its reader.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { rawValues } from '../support/app.ts'
import { send, type Answer } from '../support/client.ts'
import { hosts, startMesh, type ServiceName, type TestMesh } from '../support/mesh.ts'
import { asUser, assertionName, forName, handleName } from './attack.ts'

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

interface Context {
  readonly handle: string
  readonly traceparent: string
  readonly tracestate: string
  readonly baggage: string
}

/** Comes in at App as a user; gives the trace context that the app got, each field of it once. */
async function comeIn(mesh: TestMesh, user: string, headers: readonly string[] = []): Promise<Context> {
  const port = mesh.sidecars.App.inbound
  const answer = await send({ port, headers: [...(await asUser(mesh, user)), ...headers] })
  assert.equal(answer.status, 200)
  return contextAt(mesh, 'App')
}

function contextAt(mesh: TestMesh, service: ServiceName): Context {
  const one = (name: string) => {
    const values = rawValues(mesh.apps[service].received.at(-1), name)
    assert.equal(values.length, 1, name)
    return values[0] as string
  }
  return {
    handle: one(handleName),
    traceparent: one('traceparent'),
    tracestate: one('tracestate'),
    baggage: one('baggage'),
  }
}

const callOut = (mesh: TestMesh, headers: readonly string[]): Promise<Answer> =>
  send({ port: mesh.sidecars.App.outbound, host: hosts.API, headers })

const asCarried = ({ tracestate, baggage }: Context) => ['tracestate', tracestate, 'baggage', baggage]
const carriedUser = (mesh: TestMesh) =>
  rawValues(mesh.apps.API.received.at(-1), 'x-pomerium-original-user-id')[0]
const membersOf = (list: string) => list.split(',').map((member) => member.trim())

const start = (t: TestContext) => startMesh(t, { run: ['App', 'API'] })

test('a client that brings a handle of its own, in every place and spelling, gets another', async (t) => {
  const mesh = await start(t)
  const bob = await comeIn(mesh, 'bob')
  const theirs = `onbehalf=${bob.handle}`
  const brought = [
    ['traceparent', traceparent, 'tracestate', theirs, 'baggage', theirs],
    ['traceparent', traceparent, 'tracestate', `a=1,${theirs}`, 'tracestate', `${theirs},b=2`],
    ['baggage', `a=1,${theirs},${theirs};p=1`, 'Baggage', `OnBehalf=${bob.handle}`],
    ['baggage', `%6Fnbehalf=${bob.handle},o%6ebehalf=${bob.handle}`],
    ['uberctx-onbehalf', bob.handle, 'ot-baggage-onbehalf', bob.handle, 'jaeger-baggage', theirs],
    [handleName, bob.handle, 'X_Onbehalf_Handle', bob.handle],
  ]
  for (const headers of brought) {
    const alice = await comeIn(mesh, 'alice', headers)
    const all = mesh.apps.App.received.at(-1)?.rawHeaders ?? []
    assert.equal(all.join('\n').includes(bob.handle), false, headers.join(' '))
    assert.equal((await callOut(mesh, asCarried(alice))).status, 200)
    assert.equal(carriedUser(mesh), 'alice-id')
  }
})

test('a trace id that is in flight for another user names nobody: each call is its handle’s', async (t) => {
  const mesh = await start(t)
  const contexts = new Map<string, Context>()
  const release = Promise.withResolvers<void>()
  const arrived = Promise.withResolvers<void>()
  mesh.apps.App.handler = async (request, response) => {
    const { headers } = request
    contexts.set(String(headers['x-pomerium-authenticated-user-id']), {
      handle: String(headers[handleName]),
      traceparent: String(headers['traceparent']),
      tracestate: String(headers['tracestate']),
      baggage: String(headers['baggage']),
    })
    if (contexts.size === 2) arrived.resolve()
    await release.promise
    response.end()
  }
  const port = mesh.sidecars.App.inbound
  const underWay = ['alice', 'bob'].map(async (user) =>
    send({ port, headers: [...(await asUser(mesh, user)), 'traceparent', traceparent] }),
  )
  await arrived.promise
  for (const [user, context] of contexts) {
    assert.equal(context.traceparent, traceparent)
    assert.equal((await callOut(mesh, ['traceparent', traceparent, ...asCarried(context)])).status, 200)
    assert.equal(carriedUser(mesh), user)
  }
  // The trace alone is nobody's word: the call is the account's own.
  assert.equal((await callOut(mesh, ['traceparent', traceparent])).status, 200)
  assert.equal(carriedUser(mesh), undefined)
  release.resolve()
  await Promise.all(underWay)
})

test('two handles that disagree, wherever they are, make the call of neither', async (t) => {
  const mesh = await start(t)
  const alice = await comeIn(mesh, 'alice')
  const bob = await comeIn(mesh, 'bob')
  const [hers, his] = [`onbehalf=${alice.handle}`, `onbehalf=${bob.handle}`]
  const mixed = [
    ['tracestate', hers, 'baggage', his],
    ['tracestate', `${hers},${his}`],
    ['tracestate', hers, 'tracestate', his],
    ['baggage', hers, 'baggage', `a=1,%6fnbehalf=${bob.handle}`],
    [handleName, alice.handle, 'tracestate', his],
    [handleName, alice.handle, 'baggage', his],
    ['Connection', 'baggage', 'tracestate', hers, 'baggage', his],
  ]
  for (const headers of mixed) {
    const answer = await callOut(mesh, headers)
    assert.deepEqual([answer.status, answer.code], [403, 'original_user_ambiguous'], headers.join(' '))
  }
  assert.equal(mesh.apps.API.received.length, 0)
})

test('a handle read at one sidecar is worth nothing at another', async (t) => {
  const mesh = await startMesh(t)
  const alice = await comeIn(mesh, 'alice')
  const port = mesh.sidecars.API.outbound
  const headers = [handleName, alice.handle, ...asCarried(alice)]
  assert.equal((await send({ port, host: hosts.Ledger, headers })).status, 200)
  const received = mesh.apps.Ledger.received[0]
  assert.deepEqual(rawValues(received, forName), [])
  assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['ledger-access'])
  assert.equal(JSON.stringify(received).includes(alice.handle), false)
})

test('32 members and 512 characters from outside do not crowd ours out', async (t) => {
  const mesh = await start(t)
  const many = Array.from({ length: 32 }, (_, i) => `k${i}=${'v'.repeat(4)}`).join(',')
  const long = `a=${'v'.repeat(255)},b=${'v'.repeat(252)}`
  assert.equal(long.length, 512)
  for (const state of [many, long]) {
    const baggage = Array.from({ length: 64 }, (_, i) => `k${i}=v`).join(',')
    const context = await comeIn(mesh, 'alice', [
      'traceparent',
      traceparent,
      'tracestate',
      state,
      'baggage',
      baggage,
    ])
    assert.equal(membersOf(context.tracestate)[0], `onbehalf=${context.handle}`)
    assert.equal(membersOf(context.baggage)[0], `onbehalf=${context.handle}`)
    assert.ok(membersOf(context.tracestate).length <= 32 && context.tracestate.length <= 512)
    assert.ok(membersOf(context.baggage).length <= 64)
    assert.equal((await callOut(mesh, asCarried(context))).status, 200)
    assert.equal(carriedUser(mesh), 'alice-id')
  }
})

const malformed = [
  ['traceparent', 'garbage', 'tracestate', 'a=1'],
  ['traceparent', traceparent.toUpperCase(), 'tracestate', 'a=1'],
  ['traceparent', `${traceparent},${traceparent}`],
  ['traceparent', traceparent, 'traceparent', traceparent],
  ['traceparent', traceparent.replace(/01$/, 'ff'), 'tracestate', 'A=1,b,=,c="'],
  ['traceparent', traceparent, 'tracestate', 'a=1\t,,,;;;===', 'baggage', ';;;,=,%zz=%zz,a b=c,"'],
  ['traceparent', traceparent, 'tracestate', '\u00ff\u00fe=1', 'baggage', '\u00ff=\u00fe'],
]
for (const headers of malformed) {
  test(`out of a malformed context comes a valid one: ${JSON.stringify(headers)}`, async (t) => {
    const mesh = await start(t)
    const context = await comeIn(mesh, 'alice', headers)
    assert.match(context.traceparent, /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]$/)
    for (const member of membersOf(context.tracestate)) assert.match(member, /^[a-z][a-z0-9]*=[\x21-\x7e]+$/)
    for (const member of membersOf(context.baggage)) assert.match(member, /^[!-~]+=[!-~]*$/)
    assert.equal((await callOut(mesh, asCarried(context))).status, 200)
    assert.equal(carriedUser(mesh), 'alice-id')
  })
}

test('a request of nobody has a handle as well, and its calls are nobody’s', async (t) => {
  const mesh = await startMesh(t, {
    run: ['App', 'API'],
    routes: { App: { policy: undefined, allow_public_unauthenticated_access: true } },
  })
  assert.equal((await send({ port: mesh.sidecars.App.inbound, host: hosts.App })).status, 200)
  const answer = await callOut(mesh, asCarried(contextAt(mesh, 'App')))
  assert.deepEqual([answer.status, answer.code], [403, 'original_user_required'])
})

test('on an explicit route the word of an agent is not enough, beside the app’s own it does no harm', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'], routes: { API: { original_user: 'explicit' } } })
  const alice = await comeIn(mesh, 'alice')
  const answer = await callOut(mesh, asCarried(alice))
  assert.deepEqual([answer.status, answer.code], [403, 'original_user_required'])
  assert.equal((await callOut(mesh, [handleName, alice.handle, ...asCarried(alice)])).status, 200)
  assert.equal(carriedUser(mesh), 'alice-id')
  const bob = await comeIn(mesh, 'bob')
  const mixed = await callOut(mesh, [handleName, alice.handle, ...asCarried(bob)])
  assert.equal(mixed.code, 'original_user_ambiguous')
})

test('what a callee answers in the trace context is no way to plant a handle', async (t) => {
  const mesh = await start(t)
  const alice = await comeIn(mesh, 'alice')
  const planted = `onbehalf=${alice.handle}`
  mesh.apps.API.handler = (_request, response) => {
    response.writeHead(200, ['tracestate', `a=1,${planted}`, 'baggage', planted, handleName, alice.handle])
    response.end()
  }
  const answer = await callOut(mesh, [assertionName, '', ...asCarried(alice)])
  assert.equal(answer.headers['tracestate'], 'a=1')
  assert.equal(JSON.stringify(answer.headers).includes(alice.handle), false)
})
