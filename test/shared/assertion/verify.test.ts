// Whose token it is, whether it counts here and now, and that a verdict which is kept is asked again what may change.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Needed } from '../../../shared/needed.ts'
import { verifyToken, type VerifyOptions } from '../../../shared/assertion/verify.ts'
import { forge } from '../../../deploy/demo/forge.ts'
import type { Assertion } from '../../../shared/identity.ts'
import { makeRsaKeys } from '../../support/certificates.ts'
import * as tokens from '../../support/tokens.ts'

const { hosts, nowS, pomerium, userClaims } = tokens
const { sign } = pomerium

const snapshot = tokens.snapshotOf()
const optionsOf = (changes: Partial<VerifyOptions> = {}): VerifyOptions => ({
  role: 'assertion',
  audiences: new Set([hosts.App]),
  peer: tokens.peer,
  snapshot,
  revocations: tokens.nothingRevoked,
  nowMs: nowS * 1000,
  missing: tokens.nothingElseIsKnown,
  ...changes,
})
const verify = (token: string, changes: Partial<VerifyOptions> = {}): Assertion =>
  verifyToken(token, optionsOf(changes))
const codeOf = (token: string, changes: Partial<VerifyOptions> = {}) =>
  tokens.refusalOf(() => verify(token, changes))
/** A snapshot in which nothing was verified yet. */
const fresh = (shape: tokens.SnapshotShape = {}) => ({ snapshot: tokens.snapshotOf(shape) })

test('a verified assertion says what the token says, and holds the token byte for byte', () => {
  const claims = userClaims({ extra: { a: [1] } })
  const token = sign(claims)
  assert.deepEqual(verify(token), {
    token,
    tokenHash: createHash('sha256').update(token).digest('base64url'),
    kind: 'user',
    principal: { issuer: 'pomerium', subject: 'alice' },
    audience: hosts.App,
    email: 'alice@example.com',
    groups: ['staff'],
    name: 'A Name',
    sessionId: 'sid of alice',
    tokenId: 'jti of alice',
    issuedAt: nowS,
    expiresAt: nowS + 300,
    keyId: pomerium.kid,
    claims,
  })
})

test('the header of a token is kept once its signature is good, and of no other', () => {
  const { snapshot: known } = fresh()
  const { headers } = known.trust
  const forged = tokens.makeSigner().sign(userClaims(), { kid: pomerium.kid })
  assert.equal(codeOf(forged, { snapshot: known }), 'assertion_signature')
  assert.equal(headers.size, 0)
  verify(sign(userClaims()), { snapshot: known })
  verify(sign(userClaims({ jti: 'another' })), { snapshot: known })
  assert.equal(headers.size, 1)
})

test('a forged token is refused under a header that is known', () => {
  const { snapshot: known } = fresh()
  verify(sign(userClaims()), { snapshot: known })
  const forged = tokens.makeSigner().sign(userClaims({ sub: 'mallory' }), { kid: pomerium.kid })
  assert.equal(codeOf(forged, { snapshot: known }), 'assertion_signature')
})

test('an RSA key of the issuer verifies too', () => {
  const { publicKey, privateKey } = makeRsaKeys(2048)
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'r' }
  const token = forge({ header: { alg: 'RS256', kid: 'r' }, payload: userClaims(), key: privateKey })
  assert.equal(verify(token, fresh({ keys: { pomerium: [jwk] } })).principal.subject, 'alice')
})

// The issuer.

const forms: readonly (readonly [iss: string, form: 'exact' | 'hostOnly' | 'uri' | 'none'])[] = [
  ['pomerium-proxy', 'exact'],
  ['app.example.com', 'hostOnly'],
  ['https://app.example.com/', 'uri'],
  ['https://app.example.com', 'none'],
  ['http://app.example.com/', 'none'],
  ['https://app.example.com//', 'none'],
  ['https://APP.example.com/', 'none'],
  ['APP.example.com', 'none'],
  ['app.example.com.', 'none'],
  ['app.example.com/', 'none'],
  [' app.example.com', 'none'],
  ['api.example.com', 'none'],
  ['https://api.example.com/', 'none'],
  ['Pomerium-proxy', 'none'],
  ['pomerium-proxy ', 'none'],
  ['hostOnly', 'none'],
  ['uri', 'none'],
  ['', 'none'],
]
for (const [iss, form] of forms) {
  for (const accepted of ['exact', 'hostOnly', 'uri'] as const) {
    test(`iss ${JSON.stringify(iss)} is ${form === accepted ? 'accepted' : 'not accepted'} by an issuer that says ${accepted}`, () => {
      const issuer = tokens.issuerOf({
        exact: accepted === 'exact' ? ['pomerium-proxy'] : [],
        hostOnly: accepted === 'hostOnly',
        uri: accepted === 'uri',
      })
      const run = () =>
        verify(sign(userClaims({ iss })), fresh({ mesh: tokens.meshOf({ issuers: [issuer] }) }))
      if (form === accepted) assert.equal(run().principal.issuer, 'pomerium')
      else assert.equal(tokens.refusalOf(run), 'assertion_issuer')
    })
  }
}

test('an empty aud stands for no host: neither hostOnly nor uri matches it', () => {
  assert.equal(codeOf(sign(userClaims({ iss: '', aud: '' }))), 'assertion_issuer')
  assert.equal(codeOf(sign(userClaims({ iss: 'https:///', aud: '' }))), 'assertion_issuer')
})

test('the token of one issuer is not that of another, though both sign with hostOnly forms of their own hosts', () => {
  const other = tokens.makeSigner()
  const issuers = [
    tokens.issuerOf({ exact: ['a'] }),
    tokens.issuerOf({ name: 'partner', exact: ['b'], hostOnly: false, uri: false }),
  ]
  const shape = { mesh: tokens.meshOf({ issuers }), keys: { pomerium: [pomerium.jwk], partner: [other.jwk] } }
  assert.equal(verify(other.sign(userClaims({ iss: 'b' })), fresh(shape)).principal.issuer, 'partner')
  assert.equal(codeOf(other.sign(userClaims({ iss: 'a' })), fresh(shape)), 'assertion_key_unknown')
  assert.equal(
    codeOf(other.sign(userClaims({ iss: 'a' }), { kid: pomerium.kid }), fresh(shape)),
    'assertion_signature',
  )
  assert.equal(codeOf(sign(userClaims({ iss: 'b' })), fresh(shape)), 'assertion_key_unknown')
})

// The algorithm.

for (const alg of [
  'none',
  'None',
  'NONE',
  '',
  'HS256',
  'HS512',
  'es256',
  'ES256K',
  'ES256 ',
  'RSA-OAEP',
  'dir',
  '__proto__',
  'toString',
]) {
  test(`alg ${JSON.stringify(alg)} is an algorithm that is not accepted`, () => {
    const [header, payload] = [{ alg, kid: pomerium.kid }, userClaims()].map((part) =>
      Buffer.from(JSON.stringify(part)).toString('base64url'),
    )
    assert.equal(codeOf(`${header}.${payload}.AAAA`), 'assertion_algorithm')
    assert.equal(codeOf(`${header}.${payload}.`), 'assertion_algorithm')
  })
}

test('HS256 with the public key as its secret is an algorithm that is not accepted', () => {
  const key = Buffer.from(pomerium.publicKey.export({ type: 'spki', format: 'pem' }))
  assert.equal(
    codeOf(forge({ header: { alg: 'HS256', kid: pomerium.kid }, payload: userClaims(), key })),
    'assertion_algorithm',
  )
})

test('an algorithm that the key’s type cannot do finds no key', () => {
  const token = sign(userClaims()).split('.')
  const header = Buffer.from(JSON.stringify({ alg: 'RS256', kid: pomerium.kid })).toString('base64url')
  assert.equal(codeOf(`${header}.${token[1]}.${token[2]}`), 'assertion_key_unknown')
})

// The key.

test('keys that the token itself names or carries are never used', () => {
  const attacker = tokens.makeSigner()
  const carried = {
    jwk: attacker.jwk,
    jku: 'https://evil.example/jwks',
    x5u: 'https://evil.example/x5u',
    x5c: ['AAAA'],
  }
  assert.equal(codeOf(attacker.sign(userClaims(), carried)), 'assertion_key_unknown')
  assert.equal(codeOf(attacker.sign(userClaims(), { ...carried, kid: pomerium.kid })), 'assertion_signature')
})

test('a token without kid finds no key, even where there is one only', () => {
  assert.equal(codeOf(sign(userClaims(), { kid: undefined })), 'assertion_key_unknown')
})

test('a kid that is the name of a member of every object finds no key', () => {
  for (const kid of ['__proto__', 'constructor', 'toString', '']) {
    assert.equal(codeOf(sign(userClaims(), { kid })), 'assertion_key_unknown')
  }
})

const issuersOf = ({ need }: Needed) => (need.kind === 'keys' ? need.issuers.map(({ name }) => name) : [])

test('a missing key is asked for at its issuer before it is unknown', () => {
  const token = sign(userClaims(), { kid: 'new' })
  const asked: string[] = []
  const missing: VerifyOptions['missing'] = (need) => {
    if (need.kind === 'keys') asked.push(...need.issuers.map(({ name }) => name))
    return 'ask'
  }
  assert.throws(
    () => verify(token, { missing }),
    (error) => error instanceof Needed && issuersOf(error)[0] === 'pomerium',
  )
  assert.deepEqual(asked, ['pomerium'])
})

test('only issuers to whom the token could belong are asked for a key', () => {
  const issuers = [
    tokens.issuerOf(),
    tokens.issuerOf({ name: 'partner', exact: ['partner'], hostOnly: false, uri: false }),
  ]
  const shape = fresh({ mesh: tokens.meshOf({ issuers }), keys: { pomerium: [pomerium.jwk], partner: [] } })
  const token = sign(userClaims({ iss: 'partner' }))
  assert.throws(
    () => verify(token, { ...shape, missing: () => 'ask' }),
    (error) => error instanceof Needed && issuersOf(error).join() === 'partner',
  )
})

test('a missing key of an issuer that could not be asked is keys_unavailable, never unknown', () => {
  const token = sign(userClaims(), { kid: 'new' })
  assert.equal(codeOf(token, { missing: () => 'unavailable' }), 'keys_unavailable')
  assert.equal(codeOf(token, { missing: () => 'unknown' }), 'assertion_key_unknown')
})

test('a token of an issuer whose keys were never loaded is keys_unavailable', () => {
  assert.equal(codeOf(sign(userClaims()), fresh({ keys: {} })), 'keys_unavailable')
})

test('keys that were not confirmed for too long are keys_unavailable, to the millisecond', () => {
  const token = sign(userClaims())
  const shape = { usableUntilMs: nowS * 1000 }
  assert.equal(verify(token, fresh(shape)).kind, 'user')
  assert.equal(codeOf(token, { ...fresh(shape), nowMs: nowS * 1000 + 1 }), 'keys_unavailable')
})

test('a known key counts, though another issuer of the same form could not be asked', () => {
  const issuers = [tokens.issuerOf({ name: 'down' }), tokens.issuerOf()]
  const shape = fresh({ mesh: tokens.meshOf({ issuers }), keys: { pomerium: [pomerium.jwk] } })
  assert.equal(verify(sign(userClaims()), shape).principal.issuer, 'pomerium')
})

// Place and time.

test('a token for a host that is not among the audiences is refused', () => {
  assert.equal(codeOf(sign(userClaims({ aud: hosts.API }))), 'assertion_audience')
})

test('the audience is compared exactly', () => {
  for (const aud of [
    'APP.example.com',
    'app.example.com.',
    'app.example.com:443',
    ' app.example.com',
    'https://app.example.com',
  ]) {
    assert.equal(codeOf(sign(userClaims({ aud, iss: 'pomerium-proxy' }))), 'assertion_audience', aud)
  }
})

const borders: readonly (readonly [
  what: string,
  claims: Record<string, unknown>,
  offsetMs: number,
  code: string | undefined,
])[] = [
  ['1 s before exp + 60 s', { exp: nowS }, 59_000, undefined],
  ['1 ms before exp + 60 s', { exp: nowS }, 59_999, undefined],
  ['at exp + 60 s', { exp: nowS }, 60_000, 'assertion_expired'],
  ['1 s after exp + 60 s', { exp: nowS }, 61_000, 'assertion_expired'],
  ['1 s before iat - 60 s', { iat: nowS + 61 }, 0, 'assertion_not_yet_valid'],
  ['1 ms before iat - 60 s', { iat: nowS + 61 }, 999, 'assertion_not_yet_valid'],
  ['at iat - 60 s', { iat: nowS + 60 }, 0, undefined],
  ['1 s after iat - 60 s', { iat: nowS + 59 }, 0, undefined],
  ['1 s before nbf - 60 s', { nbf: nowS + 61 }, 0, 'assertion_not_yet_valid'],
  ['at nbf - 60 s', { nbf: nowS + 60 }, 0, undefined],
  ['at nbf, 1 s before iat - 60 s', { nbf: nowS, iat: nowS + 61 }, 0, 'assertion_not_yet_valid'],
]
for (const [what, claims, offsetMs, code] of borders) {
  for (const state of ['seen first', 'seen before'] as const) {
    test(`a token ${state}, ${what}: ${code ?? 'accepted'}`, () => {
      const token = sign(userClaims(claims))
      const options = { ...fresh(), nowMs: nowS * 1000 + offsetMs }
      if (state === 'seen before') options.snapshot.trust.verified.set(token, authenticByItself(token))
      const run = () => verify(token, options)
      if (code === undefined) assert.equal(run().kind, 'user')
      else assert.equal(tokens.refusalOf(run), code)
    })
  }
}

/** What is kept of a token, taken from a verification at a time when it was valid. */
function authenticByItself(token: string) {
  const { snapshot: another } = fresh()
  const claims = JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString()) as Record<
    string,
    number
  >
  const nowMs = Math.max(claims['iat'] ?? 0, claims['nbf'] ?? 0) * 1000
  const longLived = {
    ...optionsOf({ snapshot: another, nowMs: Math.min(nowMs, (claims['exp'] ?? 0) * 1000) }),
  }
  verifyToken(token, longLived)
  const kept = another.trust.verified.get(token)
  assert.ok(kept)
  return kept
}

// Whom it is about.

test('an empty subject is anonymous, whatever else is said of it', () => {
  const { kind, principal } = verify(
    sign(userClaims({ sub: '', email: 'root@example.com', groups: ['admin'] })),
  )
  assert.equal(kind, 'anonymous')
  assert.deepEqual(principal, { issuer: 'pomerium', subject: '' })
})

test('an empty subject is anonymous, though the issuer names the empty subject as a service account', () => {
  const issuer = tokens.issuerOf({ serviceAccounts: new Set(['']) })
  assert.equal(
    verify(sign(userClaims({ sub: '' })), fresh({ mesh: tokens.meshOf({ issuers: [issuer] }) })).kind,
    'anonymous',
  )
})

test('a subject that the issuer names as a service account is one', () => {
  assert.equal(verify(sign(userClaims({ sub: 'pomerium-account' }))).kind, 'service_account')
  assert.equal(verify(sign(userClaims({ sub: 'Pomerium-account' }))).kind, 'user')
})

test('a service account of one issuer is a user of another', () => {
  const other = tokens.makeSigner()
  const partner = tokens.issuerOf({
    name: 'partner',
    exact: ['b'],
    hostOnly: false,
    uri: false,
    serviceAccounts: new Set(),
  })
  const shape = {
    mesh: tokens.meshOf({ issuers: [tokens.issuerOf(), partner] }),
    keys: { pomerium: [], partner: [other.jwk] },
  }
  assert.equal(
    verify(other.sign(userClaims({ iss: 'b', sub: 'pomerium-account' })), fresh(shape)).kind,
    'user',
  )
})

// What is kept.

test('a token is verified once, and the same assertion is given again', () => {
  const options = fresh()
  const token = sign(userClaims())
  const first = verify(token, options)
  assert.equal(verify(token, options), first)
  assert.equal(options.snapshot.trust.verified.size, 1)
})

test('a verdict is kept for the whole token: another signature is judged anew', () => {
  const options = fresh()
  const token = sign(userClaims())
  verify(token, options)
  assert.equal(codeOf(tokens.withBrokenSignature(token), options), 'assertion_signature')
  assert.equal(options.snapshot.trust.verified.size, 1)
})

test('a token that was refused is not kept', () => {
  const options = fresh()
  codeOf(tokens.withBrokenSignature(sign(userClaims())), options)
  assert.equal(options.snapshot.trust.verified.size, 0)
})

test('a kept verdict is for no role and no audience: they are asked again', () => {
  const options = fresh()
  const token = sign(userClaims())
  verify(token, options)
  const elsewhere = { ...options, audiences: new Set([hosts.API]) }
  assert.equal(codeOf(token, elsewhere), 'assertion_audience')
  assert.equal(codeOf(token, { ...elsewhere, role: 'original_user' }), 'original_user_audience')
})

test('a kept verdict on a token that first was for another host is used where it belongs', () => {
  const options = fresh()
  const token = sign(userClaims())
  codeOf(token, { ...options, audiences: new Set([hosts.API]) })
  assert.equal(verify(token, options).kind, 'user')
})

test('a token that is revoked after it was verified is refused', () => {
  const options = fresh()
  const token = sign(userClaims())
  verify(token, options)
  assert.equal(codeOf(token, { ...options, revocations: tokens.everythingRevoked }), 'assertion_revoked')
})

test('revocation is asked about the assertion that was verified', () => {
  const token = sign(userClaims())
  const asked: string[] = []
  const isRevoked = (assertion: Assertion) => asked.push(assertion.tokenId) > 1
  const revocations = { ...tokens.nothingRevoked, isRevoked }
  assert.equal(verify(token, { revocations }).tokenId, 'jti of alice')
  assert.equal(codeOf(token, { revocations }), 'assertion_revoked')
  assert.deepEqual(asked, ['jti of alice', 'jti of alice'])
})

for (const gap of ['unheard', 'too_many'] as const) {
  test(`where not all that is revoked is known (${gap}), a good token is keys_unavailable, a revoked one revoked`, () => {
    const token = sign(userClaims())
    const revocations = { ...tokens.nothingRevoked, gap }
    assert.equal(codeOf(token, { revocations }), 'keys_unavailable')
    const known = { ...tokens.everythingRevoked, gap }
    assert.equal(codeOf(token, { revocations: known }), 'assertion_revoked')
  })
}

test('a token that was verified by keys which are stale now is keys_unavailable', () => {
  const options = fresh({ usableUntilMs: nowS * 1000 })
  const token = sign(userClaims())
  verify(token, options)
  assert.equal(codeOf(token, { ...options, nowMs: nowS * 1000 + 1 }), 'keys_unavailable')
})

test('no refusal holds a part of the token', () => {
  const token = sign(userClaims({ sub: 'SECRET', email: 'SECRET' }), { kid: 'SECRET' })
  const expired = sign(userClaims({ sub: 'SECRET', exp: 0 }))
  const malformed = sign(userClaims({ groups: 'SECRET' }))
  for (const given of [token, expired, malformed]) {
    const { message, cause } = tokens.refusal(() => verify(given))
    assert.doesNotMatch(`${message} ${String(cause)}`, /SECRET/)
  }
})
