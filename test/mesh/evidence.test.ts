// Evidence through real sidecars: signed by each hop, checked at the next, told to the app and to policies, and by way of
// a Pomerium.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { startPomerium } from '../../deploy/demo/pomerium.ts'
import { rawValues, startApp, type Received } from '../support/app.ts'
import { send, type Answer } from '../support/client.ts'
import { hosts, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import {
  adminToken,
  asUser,
  assertionName,
  calling,
  forName,
  gauge,
  handleName,
  mintByHand,
  viaName,
} from '../attacks/attack.ts'

const copyHandle = ({ headers }: { headers: NodeJS.Dict<string | string[]> }) => [
  handleName,
  String(headers[handleName]),
]

/** App calls API, API calls Ledger, each for the request that it serves. */
function chained(mesh: TestMesh): void {
  calling(mesh.apps.App, mesh.sidecars.App.outbound, hosts.API, copyHandle)
  calling(mesh.apps.API, mesh.sidecars.API.outbound, hosts.Ledger, copyHandle)
}

const comeIn = async (mesh: TestMesh, user = 'alice'): Promise<Answer> =>
  send({ port: mesh.sidecars.App.inbound, headers: await asUser(mesh, user) })

/** What Ledger's app was told of the way. */
const chainAt = ({ apps }: TestMesh) => rawValues(apps.Ledger.received.at(-1), 'x-onbehalf-chain')

test('from App by API to Ledger each hop is signed and shown, and no app did anything for it', async (t) => {
  const mesh = await startMesh(t)
  chained(mesh)
  assert.equal((await comeIn(mesh)).status, 200)
  const received = mesh.apps.Ledger.received.at(-1)
  assert.deepEqual(chainAt(mesh), ['api-access, ledger-access'])
  assert.deepEqual(rawValues(received, 'x-pomerium-original-user-id'), ['alice-id'])
  assert.deepEqual(rawValues(received, viaName), [])
  assert.equal(
    await gauge(
      mesh.sidecars.Ledger,
      'onbehalf_evidence_total{result="verified",route="Ledger",mode="enforce"}',
    ),
    1,
  )
  assert.equal(await gauge(mesh.sidecars.Ledger, 'onbehalf_verified_links'), 2)
})

test('the decision at the end names the accounts passed, and the transaction is the same at every hop', async (t) => {
  const mesh = await startMesh(t)
  chained(mesh)
  await comeIn(mesh)
  const decisionsOf = async (service: 'API' | 'Ledger') => {
    const { admin } = mesh.sidecars[service]
    const headers = ['Authorization', `Bearer ${await adminToken(mesh.sidecars[service])}`]
    const { body } = await send({ port: admin, host: `127.0.0.1:${admin}`, target: '/decisions', headers })
    return JSON.parse(body) as { direction: string; chain?: string[]; txn?: string }[]
  }
  const [atApi, atLedger] = [await decisionsOf('API'), await decisionsOf('Ledger')]
  const inbound = [atApi, atLedger].map((all) => all.find(({ direction }) => direction === 'inbound'))
  assert.deepEqual(
    inbound.map((decision) => decision?.chain),
    [['api-access'], ['api-access', 'ledger-access']],
  )
  const [atFirst, atLast] = inbound.map((decision) => decision?.txn)
  assert.match(atFirst ?? '', /^[\w-]{16}$/)
  assert.equal(atLast, atFirst)
})

test('users at the same time each come with a chain of their own', async (t) => {
  const mesh = await startMesh(t)
  chained(mesh)
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => comeIn(mesh, `user${i}`)))
  assert.ok(answers.every(({ status }) => status === 200))
  const users = mesh.apps.Ledger.received.map((each) => rawValues(each, 'x-pomerium-original-user-id')[0])
  assert.equal(new Set(users).size, 20)
  for (const each of mesh.apps.Ledger.received) {
    assert.deepEqual(rawValues(each, 'x-onbehalf-chain'), ['api-access, ledger-access'])
  }
})

const passing = (account: string) => [
  { allow: { and: [{ user: { is: 'ledger-access' } }, { chain: { has: account } }] } },
]

test('a policy that wants another service on the way refuses, one that wants this one admits', async (t) => {
  for (const [account, status] of [
    ['api-access', 200],
    ['somebody-else', 403],
  ] as const) {
    const mesh = await startMesh(t, { routes: { Ledger: { policy: passing(account) } } })
    chained(mesh)
    assert.equal((await comeIn(mesh)).status, status)
    assert.equal(mesh.apps.Ledger.received.length, status === 200 ? 1 : 0)
  }
})

/** What API answers to its real caller, with garbage for links. */
async function codeOfGarbage(mesh: TestMesh): Promise<string> {
  const assertion = await mintByHand(mesh, 'api-access')
  const alice = await mesh.pomerium.assertion('alice', hosts.App)
  const headers = [assertionName, assertion, forName, alice, viaName, 'garbage']
  return (await send({ port: mesh.sidecars.API.inbound, headers })).code
}

test('links that show nothing are evidence_invalid', async (t) => {
  const mesh = await startMesh(t, { run: ['API'] })
  assert.equal(await codeOfGarbage(mesh), 'evidence_invalid')
})

test('where evidence is off, links are neither sent nor read', async (t) => {
  const mesh = await startMesh(t, { mesh: { evidence: 'off' } })
  chained(mesh)
  assert.equal((await comeIn(mesh)).status, 200)
  assert.deepEqual(chainAt(mesh), [])
  mesh.apps.API.handler = (_, response) => void response.end()
  assert.equal(await codeOfGarbage(mesh), '')
})

/** What comes out of App for API, where another app stands in place of API's sidecar. */
async function captured(t: TestContext, options: MeshOptions = {}): Promise<Received> {
  const api = await startApp()
  t.after(() => api.close())
  const mesh = await startMesh(t, { run: ['App'], routes: { API: { to: api.origin } }, ...options })
  calling(mesh.apps.App, mesh.sidecars.App.outbound, hosts.API, copyHandle)
  assert.equal((await comeIn(mesh)).status, 200)
  return api.received[0] as Received
}

test('what goes out is one header with one link at the entry, and none where evidence is off', async (t) => {
  const [via = '', ...others] = rawValues(await captured(t), viaName)
  assert.deepEqual([via.split(',').length, others.length], [1, 0])
  assert.deepEqual(rawValues(await captured(t, { mesh: { evidence: 'off' } }), viaName), [])
})

test('the service’s own calls carry no link', async (t) => {
  const api = await startApp()
  t.after(() => api.close())
  const mesh = await startMesh(t, { run: ['App'], routes: { API: { to: api.origin } } })
  assert.equal((await send({ port: mesh.sidecars.App.outbound, host: hosts.API })).status, 200)
  assert.deepEqual(rawValues(api.received[0], viaName), [])
})

// By way of a Pomerium.

/** App calls API by way of a Pomerium on loopback, under the name localhost. */
async function byPomerium(t: TestContext, evidence: string, credential: Record<string, string>) {
  const pomerium = await startPomerium()
  t.after(() => pomerium.close())
  const token = await pomerium.serviceAccountToken({ id: 'account-1', user: 'api-access' })
  const { port } = new URL(pomerium.url)
  const mesh = await startMesh(t, {
    run: ['App', 'API'],
    mesh: { evidence },
    issuer: {
      jwks: pomerium.jwksUrl,
      service_accounts: ['api-access'],
      edges: { source_ip: ['127.0.0.1'] },
    },
    routes: { API: { from: `http://localhost:${port}`, via: 'pomerium' } },
    services: { App: { credential: { token_file: 'pomerium-token', ...credential } } },
    files: { 'pomerium-token': `${token}\n` },
  })
  const to = `http://127.0.0.1:${mesh.sidecars.API.inbound}`
  pomerium.setRoute('localhost', { to, passIdentityHeaders: true })
  calling(mesh.apps.App, mesh.sidecars.App.outbound, 'localhost', copyHandle)
  const user = { sub: 'alice-id', user: 'alice-id', email: 'alice@companydomain.com', sid: 'alice-session' }
  const alice = await pomerium.sign({ ...pomerium.claims(undefined, hosts.App), ...user })
  const answer = await send({ port: mesh.sidecars.App.inbound, headers: [assertionName, alice] })
  return { answer, received: mesh.apps.API.received[0] }
}

const certificate = { certificate: 'api-access.pem', key: 'api-access-key.pem' }

for (const evidence of ['verify', 'require']) {
  test(`evidence: ${evidence}, by way of a Pomerium: links pass through it, and are checked`, async (t) => {
    const { answer, received } = await byPomerium(t, evidence, certificate)
    assert.equal(answer.status, 200, answer.body)
    assert.deepEqual(rawValues(received, 'x-onbehalf-chain'), ['api-access'])
    assert.deepEqual(rawValues(received, 'x-pomerium-original-user-id'), ['alice-id'])
  })
}

test('behind a Pomerium evidence may be missing under verify, and not under require', async (t) => {
  const without = await byPomerium(t, 'verify', {})
  assert.equal(without.answer.status, 200, without.answer.body)
  assert.deepEqual(rawValues(without.received, 'x-pomerium-original-user-id'), ['alice-id'])
  assert.deepEqual(rawValues(without.received, 'x-onbehalf-chain'), [])
  const refused = await byPomerium(t, 'require', {})
  assert.equal(refused.answer.status, 403)
  assert.match(refused.answer.body, /evidence_missing/)
})

// original_user_grace.

test('a user whose token expires on the way is carried on within the grace, and not beyond', async (t) => {
  const hour = 3_600_000
  for (const [grace, lateMs, status] of [
    ['0s', 0, 200],
    ['0s', 400_000, 403],
    ['10m', 400_000, 200],
    ['10m', hour, 403],
  ] as const) {
    let offsetMs = 0
    const mesh = await startMesh(t, {
      mesh: { original_user_grace: grace },
      settings: { timeouts: { linger: '2h', drain: '5s' } },
      clockOffsetMs: () => offsetMs,
    })
    let handle = ''
    mesh.apps.App.handler = (request, response) => {
      handle = String(request.headers[handleName])
      response.end()
    }
    calling(mesh.apps.API, mesh.sidecars.API.outbound, hosts.Ledger, copyHandle)
    await comeIn(mesh)
    offsetMs = lateMs
    // The user is gone; App's work for her goes on.
    const headers = [handleName, handle]
    const answer = await send({ port: mesh.sidecars.App.outbound, host: hosts.API, headers })
    assert.equal(answer.status, status, `grace ${grace}, ${lateMs} ms later: ${answer.body}`)
    const chain = status === 200 ? ['api-access, ledger-access'] : []
    assert.deepEqual(chainAt(mesh), chain)
  }
})
