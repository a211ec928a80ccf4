// Links as a sidecar signs them: what they say, how long they are, and when one is signed anew.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose'
import { keyThumbprint } from '../../../shared/certificate/thumbprint.ts'
import { evidenceOf, type Passage } from '../../../shared/evidence/evidence.ts'
import { hashOf, readLink, type Link } from '../../../shared/evidence/link.ts'
import { createLinker, type LinkerOptions } from '../../../sidecar/credential/linker.ts'
import { clockMs, makeMesh } from '../../support/certificates.ts'
import { refusalOf } from '../../support/tokens.ts'

const mesh = makeMesh('mesh.companydomain.com', ['ledger-access'])
const leaf = mesh.issue('ledger-access')
const nowS = clockMs / 1000
const route = { name: 'Ledger', host: 'ledger.localhost.pomerium.io' }
const entry: Passage = {
  userTokenHash: hashOf('the token of alice'),
  userTokenEndsAt: nowS + 300,
  sinceMs: clockMs - 1_000,
  evidence: undefined,
}

function start(changes: Partial<LinkerOptions> = {}) {
  const clock = { nowMs: clockMs }
  const linker = createLinker({
    account: 'ledger-access',
    issuer: 'mesh.companydomain.com',
    privateKey: leaf.keys.privateKey,
    keyId: keyThumbprint(leaf.keys.publicKey),
    x5c: [leaf.base64],
    notAfterMs: clockMs + 86_400_000,
    now: () => clock.nowMs,
    ...changes,
  })
  return { linker, clock }
}

const lastOf = (via: string): Link => readLink(via.split(',').at(-1) as string).link
const after = (via: string): Passage => ({
  ...entry,
  evidence: evidenceOf(via.split(',').map((text) => readLink(text).link)),
})

test('a link says what the design has it say, and nothing else', () => {
  const { linker } = start()
  const via = linker.viaFor(route, entry, false)
  const { jti, txn, ...claims } = decodeJwt(via)
  assert.deepEqual(claims, {
    iss: 'mesh.companydomain.com',
    sub: 'ledger-access',
    aud: route.host,
    route: 'Ledger',
    iat: nowS,
    oth: { 'x-pomerium-jwt-assertion-for': entry.userTokenHash },
  })
  assert.match(`${String(jti)} ${String(txn)}`, /^[\w-]{16} [\w-]{16}$/)
  const kid = keyThumbprint(leaf.keys.publicKey)
  assert.deepEqual(decodeProtectedHeader(via), { alg: 'ES256', typ: 'onbehalf-link+jwt', kid })
})

test('its signature is what jose takes for one', async () => {
  const via = start().linker.viaFor(route, entry, true)
  assert.ok(await compactVerify(via, leaf.keys.publicKey))
})

test('the certificates travel where that is asked for', () => {
  const { linker } = start()
  assert.deepEqual(decodeProtectedHeader(linker.viaFor(route, entry, true)).x5c, [leaf.base64])
  assert.equal(decodeProtectedHeader(linker.viaFor(route, entry, false)).x5c, undefined)
})

test('it follows what came before it, in the same transaction', () => {
  const first = start().linker.viaFor({ name: 'API', host: 'api.localhost.pomerium.io' }, entry, false)
  const via = start().linker.viaFor(route, after(first), false)
  assert.ok(via.startsWith(`${first},`))
  const link = lastOf(via)
  assert.equal(link.previousHash, hashOf(first))
  assert.equal(link.transactionId, lastOf(first).transactionId)
})

test('one is signed for each user token, call and way, and used again', () => {
  const { linker, clock } = start()
  const via = linker.viaFor(route, entry, false)
  clock.nowMs += 10_000
  assert.equal(linker.viaFor(route, { ...entry, sinceMs: clock.nowMs }, false), via)
  const others = [
    linker.viaFor({ ...route, name: 'Other' }, entry, false),
    linker.viaFor({ ...route, host: 'other.localhost.pomerium.io' }, entry, false),
    linker.viaFor(route, { ...entry, userTokenHash: hashOf('the token of bob') }, false),
    linker.viaFor(route, entry, true),
    linker.viaFor(route, after(via), false),
  ]
  assert.equal(new Set([via, ...others].map((each) => lastOf(each).linkId)).size, 6)
})

test('one from before a clock was set back is signed anew, for callees refuse what comes from the future', () => {
  const { linker, clock } = start()
  linker.viaFor(route, entry, false)
  clock.nowMs -= 3_600_000
  assert.equal(lastOf(linker.viaFor(route, entry, false)).issuedAt, nowS - 3_600)
})

test('where the user’s token has ended meanwhile, the entry’s link is of when the user came in', () => {
  const { linker, clock } = start()
  clock.nowMs = (entry.userTokenEndsAt + 1) * 1000
  assert.equal(lastOf(linker.viaFor(route, entry, false)).issuedAt, nowS - 1)
})

test('a user who came in within the skew after the end of her token came in at its end', () => {
  const { linker, clock } = start()
  clock.nowMs = (entry.userTokenEndsAt + 40) * 1000
  const late = { ...entry, sinceMs: (entry.userTokenEndsAt + 30) * 1000 }
  assert.equal(lastOf(linker.viaFor(route, late, false)).issuedAt, entry.userTokenEndsAt)
})

test('a later link is of now, whatever became of the token', () => {
  const { linker, clock } = start()
  const first = linker.viaFor({ name: 'API', host: 'api.localhost.pomerium.io' }, entry, false)
  clock.nowMs = (entry.userTokenEndsAt + 40) * 1000
  assert.equal(lastOf(linker.viaFor(route, after(first), false)).issuedAt, entry.userTokenEndsAt + 40)
})

test('with a certificate that has expired nothing is signed', () => {
  const { linker } = start({ notAfterMs: clockMs })
  assert.equal(
    refusalOf(() => linker.viaFor(route, entry, false)),
    'credential_unavailable',
  )
})

test('what is kept is bounded: what was used longest ago is signed anew', () => {
  const { linker } = start()
  const ofUser = (i: number) => linker.viaFor(route, { ...entry, userTokenHash: hashOf(String(i)) }, false)
  const first = ofUser(0)
  assert.equal(ofUser(0), first)
  for (let i = 1; i < 6_000; i++) ofUser(i)
  assert.notEqual(ofUser(0), first)
})

test('a link without certificates is short: seven hundred bytes', () => {
  const { linker } = start()
  const first = linker.viaFor(route, entry, false)
  const via = linker.viaFor(route, after(first), false)
  assert.ok(via.length - first.length <= 760, `${via.length - first.length}`)
})
