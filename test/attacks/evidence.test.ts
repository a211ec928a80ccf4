// The attacker has keys, links or a place on the way, and wants a request to seem to have come another way than it did.
import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { test } from 'node:test'
import { readLink } from '../../shared/evidence/link.ts'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import { issueAccount, createAuthority, type Certified } from '../../sidecar/ca.ts'
import { rawValues } from '../support/app.ts'
import { send, type Answer } from '../support/client.ts'
import { linkByHand, type HandmadeLink } from '../support/links.ts'
import { hosts, meshIssuer, startMesh, type TestMesh } from '../support/mesh.ts'
import { withBrokenSignature } from '../support/tokens.ts'
import { adminToken, assertionName, forName, mintByHand, viaName } from './attack.ts'

interface Way {
  readonly mesh: TestMesh
  readonly alice: string
  readonly bob: string
  /** App called API for alice. */
  readonly first: string
  /** API called Ledger, in the same request. */
  readonly second: string
}

async function layWay(mesh: TestMesh): Promise<Way> {
  const [alice, bob] = [
    await mesh.pomerium.assertion('alice', hosts.App),
    await mesh.pomerium.assertion('bob', hosts.App),
  ]
  const first = await linkByHand(mesh, { account: 'api-access', to: 'API', token: alice })
  const second = await linkByHand(mesh, {
    account: 'ledger-access',
    to: 'Ledger',
    token: alice,
    after: first,
  })
  return { mesh, alice, bob, first, second }
}

/** What is sent to Ledger beside `-For`, by the real account that calls there. */
interface Attack {
  readonly links: readonly string[]
  /** The `-For`; default: alice's. */
  readonly token?: string
  /** Default: a good assertion of ledger-access. */
  readonly assertion?: string
}

async function present({ mesh, alice }: Way, { links, token = alice, assertion }: Attack): Promise<Answer> {
  const caller = assertion ?? (await mesh.minter('ledger-access')).assertionFor(hosts.Ledger)
  const via = links.length === 0 ? [] : [viaName, links.join(',')]
  return send({
    port: mesh.sidecars.Ledger.inbound,
    headers: [assertionName, caller, forName, token, ...via],
  })
}

/** A second link by a key of the attacker's choice, all else as it should be. */
const secondBy = ({ mesh, alice, first }: Way, shape: Partial<HandmadeLink>) =>
  linkByHand(mesh, { account: 'ledger-access', to: 'Ledger', token: alice, after: first, ...shape })

async function foreignCertificate(): Promise<Certified> {
  const nowMs = Date.now()
  const ca = await createAuthority({ issuer: meshIssuer, days: 1, nowMs })
  return issueAccount({
    caPem: ca.certificatePem,
    caKeyPem: ca.keyPem,
    issuer: undefined,
    account: 'ledger-access',
    dnsNames: [],
    days: 1,
    nowMs,
  })
}

type Make = (way: Way) => Attack | Promise<Attack>

const invalid: Readonly<Record<string, Make>> = {
  'a shortened path: the first link left out': ({ second }) => ({ links: [second] }),
  'a shortened path: the last link left out': ({ first }) => ({ links: [first] }),
  'a shortened path: straight from the entry': async ({ mesh, alice }) => ({
    links: [await linkByHand(mesh, { account: 'ledger-access', to: 'Ledger', token: alice })],
  }),
  'an invented hop: by the caller, in the name of the entry': async (way) => {
    const certified = await way.mesh.certified('ledger-access')
    const invented = await linkByHand(way.mesh, {
      account: 'api-access',
      to: 'API',
      token: way.alice,
      certified,
    })
    return { links: [invented, await secondBy(way, { after: invented })] }
  },
  'an invented hop: from the entry to the caller, as the caller': async (way) => {
    const invented = await linkByHand(way.mesh, { account: 'ledger-access', to: 'API', token: way.alice })
    return { links: [invented, await secondBy(way, { after: invented })] }
  },
  'a hop replayed for another user': ({ first, second, bob }) => ({ links: [first, second], token: bob }),
  'a hop replayed for another user, followed by a link for him': async (way) => ({
    links: [way.first, await secondBy(way, { token: way.bob })],
    token: way.bob,
  }),
  'a link addressed elsewhere': async (way) => ({ links: [way.first, await secondBy(way, { to: 'API' })] }),
  'a link for another route': async (way) => ({
    links: [way.first, await secondBy(way, { claims: { route: 'API' } })],
  }),
  'an assertion presented as a link': async (way) => ({
    links: [way.first, await mintByHand(way.mesh, 'ledger-access', { aud: hosts.Ledger })],
  }),
  'a changed user token': async ({ mesh, first, second }) => ({
    links: [first, second],
    token: await mesh.pomerium.assertion('alice', hosts.App),
  }),
  'a spliced chain of the same user': async (way) => {
    const other = await linkByHand(way.mesh, {
      account: 'api-access',
      to: 'API',
      token: way.alice,
      claims: { txn: 'another' },
    })
    return { links: [other, way.second] }
  },
  'a spliced chain of the same user and transaction': async (way) => {
    const other = await linkByHand(way.mesh, { account: 'api-access', to: 'API', token: way.alice })
    return { links: [other, way.second] }
  },
  'a spliced chain of the same user, its hashes put right': async (way) => ({
    links: [way.first, await secondBy(way, { claims: { txn: 'another' } })],
  }),
  'a reordered chain': ({ first, second }) => ({ links: [second, first] }),
  'a looping chain': async ({ mesh, alice, first, second }) => {
    const back = await linkByHand(mesh, {
      account: 'ledger-access',
      to: 'Ledger',
      token: alice,
      after: second,
    })
    return { links: [first, second, back] }
  },
  'an over-long chain': async ({ first, second }) => ({
    links: [...Array.from({ length: 8 }, () => first), second],
  }),
  garbage: () => ({ links: ['garbage'] }),
  'nothing between the commas': ({ first, second }) => ({ links: [first, '', second] }),
  'a link that is too large': async (way) => ({
    links: [way.first, await secondBy(way, { claims: { route: 'x'.repeat(9_000) } })],
  }),
  'a broken signature': ({ first, second }) => ({ links: [first, withBrokenSignature(second)] }),
  'signed by the right account of the wrong service': async (way) => ({
    links: [way.first, await secondBy(way, { account: 'api-access' })],
    assertion: await mintByHand(way.mesh, 'api-access', { aud: hosts.Ledger }),
  }),
  'a link from the future': async (way) => ({
    links: [way.first, await secondBy(way, { claims: { iat: Math.floor(Date.now() / 1000) + 300 } })],
  }),
  'by a certificate that had expired': async (way) => {
    const certified = await way.mesh.certified('ledger-access', Date.now() - 2 * 86_400_000)
    return { links: [way.first, await secondBy(way, { certified })] }
  },
  'by a certificate of another authority': async (way) => ({
    links: [way.first, await secondBy(way, { certified: await foreignCertificate() })],
  }),
  'with a kid that is another’s': async (way) => ({
    links: [way.first, await secondBy(way, { header: { kid: 'a'.repeat(64) } })],
  }),
}

test('whoever tells of another way than the request took is refused', async (t) => {
  const policy = [{ allow: { or: [{ authenticated_user: true }] } }]
  const mesh = await startMesh(t, { run: ['Ledger'], routes: { Ledger: { policy } } })
  const way = await layWay(mesh)
  await t.test('the honest way is let in, and told to the app', async () => {
    assert.equal((await present(way, { links: [way.first, way.second] })).status, 200)
    const received = mesh.apps.Ledger.received.pop()
    assert.deepEqual(rawValues(received, 'x-onbehalf-chain'), ['api-access, ledger-access'])
    assert.deepEqual(rawValues(received, viaName), [])
    assert.ok(!received?.rawHeaders.some((value) => value.includes(way.second)))
  })
  for (const [name, make] of Object.entries(invalid)) {
    await t.test(`${name} is evidence_invalid`, async () => {
      const answer = await present(way, await make(way))
      assert.deepEqual([answer.status, answer.code], [403, 'evidence_invalid'], answer.body)
    })
  }
  await t.test('evidence left out is evidence_missing', async () => {
    const answer = await present(way, { links: [] })
    assert.deepEqual([answer.status, answer.code], [403, 'evidence_missing'])
  })
  await t.test('a link presented as an assertion is assertion_malformed', async () => {
    const answer = await present(way, { links: [way.first, way.second], assertion: way.second })
    assert.deepEqual([answer.status, answer.code], [401, 'assertion_malformed'])
  })
  await t.test('a link presented as a user’s token is original_user_malformed', async () => {
    const answer = await present(way, { links: [way.first, way.second], token: way.first })
    assert.deepEqual([answer.status, answer.code], [401, 'original_user_malformed'])
  })
  await t.test('two headers of links are request_ambiguous', async () => {
    const caller = (await mesh.minter('ledger-access')).assertionFor(hosts.Ledger)
    const headers = [
      assertionName,
      caller,
      forName,
      way.alice,
      viaName,
      way.first,
      'X-Onbehalf-Via',
      way.second,
    ]
    const answer = await send({ port: mesh.sidecars.Ledger.inbound, headers })
    assert.deepEqual([answer.status, answer.code], [400, 'request_ambiguous'])
  })
  await t.test('links that are too large for a header section are headers_too_large', async () => {
    const answer = await present(way, { links: [way.first, 'x'.repeat(40_000)] })
    assert.deepEqual([answer.status, answer.code], [431, 'headers_too_large'])
  })
  await t.test('nothing of it reached the app, and the honest way is open as before', async () => {
    assert.equal(mesh.apps.Ledger.received.length, 0)
    assert.equal((await present(way, { links: [way.first, way.second] })).status, 200)
  })
})

async function revokeAt(mesh: TestMesh, revocation: object): Promise<Answer> {
  const { admin } = mesh.sidecars.Ledger
  const headers = ['Authorization', `Bearer ${await adminToken(mesh.sidecars.Ledger)}`]
  const body = JSON.stringify(revocation)
  return send({ port: admin, host: `127.0.0.1:${admin}`, method: 'POST', target: '/revoke', headers, body })
}

test('a link whose key, account or self is revoked is evidence_invalid at once, though it was good before', async (t) => {
  const mesh = await startMesh(t, { run: ['Ledger'] })
  const way = await layWay(mesh)
  const certified = await mesh.certified('api-access')
  const kid = keyThumbprint(createPublicKey(certified.keyPem))
  const revocations = [
    { kind: 'kid', value: kid },
    { kind: 'jti', issuer: 'mesh', value: 'this-very-link' },
    { kind: 'subject', issuer: 'mesh', value: 'api-access' },
  ]
  for (const revocation of revocations) {
    const first = await linkByHand(mesh, {
      account: 'api-access',
      to: 'API',
      token: way.alice,
      certified: revocation.kind === 'kid' ? certified : await mesh.certified('api-access'),
      claims: revocation.kind === 'jti' ? { jti: 'this-very-link' } : {},
    })
    const links = [first, await secondBy(way, { after: first })]
    assert.equal((await present(way, { links })).status, 200)
    const told = await revokeAt(mesh, revocation)
    assert.equal(told.status, 202, told.body)
    assert.equal((await present(way, { links })).code, 'evidence_invalid', revocation.kind)
  }
})

test('links that a user brings at the entry are set aside: they are in no app and in no call', async (t) => {
  const mesh = await startMesh(t, { run: ['App', 'API'] })
  const way = await layWay(mesh)
  const token = await mesh.pomerium.assertion('alice', hosts.App)
  const headers = [assertionName, token, viaName, `${way.first},${way.second}`]
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
  const received = mesh.apps.App.received[0]
  assert.deepEqual([rawValues(received, viaName), rawValues(received, 'x-onbehalf-chain')], [[], []])
  const call = [
    'x-onbehalf-handle',
    rawValues(received, 'x-onbehalf-handle')[0] as string,
    viaName,
    way.first,
  ]
  assert.equal((await send({ port: mesh.sidecars.App.outbound, host: hosts.API, headers: call })).status, 200)
  assert.deepEqual(rawValues(mesh.apps.API.received[0], 'x-onbehalf-chain'), ['api-access'])
})

test('in report mode a user whose way is not shown is let through as none, and her user is lost', async (t) => {
  const mesh = await startMesh(t, { run: ['Ledger'], settings: { mode: 'report' } })
  const way = await layWay(mesh)
  for (const links of [[], [way.first]]) {
    assert.equal((await present(way, { links })).status, 200)
    const received = mesh.apps.Ledger.received.pop()
    assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['ledger-access'])
    for (const name of [forName, 'x-pomerium-original-user-id', 'x-onbehalf-chain', viaName]) {
      assert.deepEqual(rawValues(received, name), [], name)
    }
  }
})

test('a request that is under way ends when the key of a link before its caller is revoked', async (t) => {
  const mesh = await startMesh(t, { run: ['Ledger'] })
  const way = await layWay(mesh)
  const arrived = Promise.withResolvers<void>()
  mesh.apps.Ledger.handler = () => arrived.resolve()
  const answer = present(way, { links: [way.first, way.second] })
  await arrived.promise
  const kid = readLink(way.first).link.keyId
  assert.equal((await revokeAt(mesh, { kind: 'kid', value: kid })).status, 202)
  const { status, code } = await answer
  assert.deepEqual([status, code], [403, 'evidence_invalid'])
})
