// Every answer that the inbound decision can give, from heads and snapshots alone, and the headers that result.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Needed } from '../../shared/needed.ts'
import type { Issuer, Network, Route } from '../../shared/config/mesh.ts'
import {
  decideInbound,
  inboundHeaders,
  type InboundAnswer,
  type InboundQuestion,
} from '../../shared/inbound.ts'
import { parseNetwork } from '../../shared/network.ts'
import { clockMs, makeMesh } from '../support/certificates.ts'
import * as tokens from '../support/tokens.ts'

const { anyone, hosts, meshIssuer, meshOf, policyOf, routeOf, snapshotOf, userToken } = tokens
const accounts = makeMesh(meshIssuer, ['api-access'])
const certificate = accounts.issue('api-access')

const accountToken = (changes: Readonly<Record<string, unknown>> = {}) =>
  tokens.mint(certificate, tokens.mintedClaims('api-access', changes))
const assertion = (token: string) => ['X-Pomerium-Jwt-Assertion', token]
const onBehalf = (token: string) => ['X-Pomerium-Jwt-Assertion-For', token]
/** A user's token for this very service. */
const direct = (changes: Readonly<Record<string, unknown>> = {}) =>
  assertion(userToken({ aud: hosts.API, ...changes }))

interface Setting {
  readonly routes?: readonly Route[]
  readonly issuer?: Partial<Issuer>
  readonly headers?: readonly string[]
  readonly host?: string
  readonly target?: string
  readonly method?: string
  readonly question?: Partial<InboundQuestion>
}

function snapshotFor({ routes, issuer }: Setting) {
  const mesh = meshOf({ ...(routes && { routes }), ...(issuer && { issuers: [tokens.issuerOf(issuer)] }) })
  return snapshotOf({ mesh, authorities: [accounts.authority] })
}

function decide(setting: Setting): InboundAnswer {
  const { headers = [], host = hosts.API, target = '/', method = 'GET', question } = setting
  return decideInbound({
    head: { method, target, headers: ['Host', host, ...headers] },
    peer: tokens.peer,
    snapshot: snapshotFor(setting),
    revocations: tokens.nothingRevoked,
    nowMs: clockMs,
    missing: tokens.nothingElseIsKnown,
    ...question,
  })
}

const verdict = (setting: Setting): string => {
  const answer = decide(setting)
  return answer.permitted ? 'permitted' : answer.refusal.code
}

function permitted(setting: Setting) {
  const answer = decide(setting)
  if (!answer.permitted) return assert.fail(answer.refusal.code)
  return answer.findings
}

test('a user who comes from Pomerium is let in', () => {
  const { caller, originalUser, route } = permitted({ headers: direct() })
  assert.equal(caller?.principal.subject, 'alice')
  assert.equal(originalUser, undefined)
  assert.equal(route?.name, 'API')
})

test('a service account is let in on behalf of a user', () => {
  const { caller, originalUser } = permitted({
    headers: [...assertion(accountToken()), ...onBehalf(userToken())],
  })
  assert.deepEqual(caller?.principal, { issuer: 'mesh', subject: 'api-access' })
  assert.deepEqual(originalUser?.principal, { issuer: 'pomerium', subject: 'alice' })
})

test('a service account is let in on its own', () => {
  assert.equal(permitted({ headers: assertion(accountToken()) }).originalUser, undefined)
})

test('an account that the issuer names may call on behalf of a user', () => {
  const headers = [...direct({ sub: 'pomerium-account' }), ...onBehalf(userToken())]
  assert.equal(permitted({ headers }).originalUser?.principal.subject, 'alice')
})

// The form of the request.

const malformed: Readonly<Record<string, Setting>> = {
  'no Host': { host: '' },
  'a target that is no path': { target: 'x' },
  'a fragment in the target': { target: '/a#b' },
}
for (const [what, setting] of Object.entries(malformed)) {
  test(`${what} is request_malformed, whoever calls`, () => {
    assert.equal(verdict({ headers: direct(), ...setting }), 'request_malformed')
  })
}

const token = userToken({ aud: hosts.API })
const ambiguous: Readonly<Record<string, Setting>> = {
  'two Hosts': { headers: ['Host', hosts.API, ...assertion(token)] },
  'two assertions': { headers: [...assertion(token), ...assertion(token)] },
  'an empty assertion before a real one': { headers: [...assertion(''), ...assertion(token)] },
  'two -For': {
    headers: [...assertion(accountToken()), ...onBehalf(userToken()), ...onBehalf(userToken({ sub: 'bob' }))],
  },
  'two handles': { headers: [...assertion(token), 'x-onbehalf-handle', 'a', 'X-Onbehalf-Handle', 'b'] },
  'a target for another host than Host': {
    headers: assertion(token),
    target: 'http://elsewhere.example.com/',
  },
}
for (const [what, setting] of Object.entries(ambiguous)) {
  test(`${what} is request_ambiguous`, () => assert.equal(verdict(setting), 'request_ambiguous'))
}

test('an ambiguous path is refused only where the path is read', () => {
  const reading = routeOf({ match: { kind: 'prefix', prefix: '/' } })
  for (const target of ['/a/../b', '/a%2fb', '//a', '/%2e%2e/a', '/a/..;/b']) {
    assert.equal(verdict({ headers: direct(), target, routes: [reading] }), 'request_ambiguous', target)
    assert.equal(verdict({ headers: direct(), target, routes: [routeOf()] }), 'permitted', target)
  }
})

test('a host beside it that reads its path does not make another host’s path ambiguous', () => {
  const routes = [
    routeOf(),
    routeOf({ name: 'Admin', service: 'API', match: { kind: 'prefix', prefix: '/' } }),
  ]
  assert.equal(verdict({ headers: direct(), target: '/a/../b', routes }), 'permitted')
})

// The assertion.

const assertionCodes: Readonly<Record<string, Setting>> = {
  assertion_missing: {},
  assertion_malformed: { headers: assertion('a.b') },
  assertion_algorithm: {
    headers: assertion(tokens.pomerium.sign(tokens.userClaims({ aud: hosts.API }), { alg: 'ES384' })),
  },
  assertion_issuer: { headers: direct({ iss: 'elsewhere.example.com' }) },
  assertion_key_unknown: {
    headers: assertion(tokens.makeSigner().sign(tokens.userClaims({ aud: hosts.API }))),
  },
  assertion_signature: { headers: assertion(tokens.withBrokenSignature(token)) },
  assertion_audience: { headers: direct({ aud: hosts.App, iss: hosts.App }) },
  assertion_expired: { headers: direct({ exp: tokens.nowS - 60 }) },
  assertion_not_yet_valid: { headers: direct({ iat: tokens.nowS + 61 }) },
  assertion_revoked: { headers: direct(), question: { revocations: tokens.everythingRevoked } },
  keys_unavailable: { headers: direct(), question: { snapshot: snapshotOf({ keys: {} }) } },
}
for (const [code, setting] of Object.entries(assertionCodes)) {
  test(`${code} is given`, () => assert.equal(verdict(setting), code))
}

test('an assertion in a look-alike header is none', () => {
  for (const name of ['X_Pomerium_Jwt_Assertion', 'X.Pomerium.Jwt.Assertion']) {
    assert.equal(verdict({ headers: [name, token] }), 'assertion_missing')
  }
})

test('an empty assertion is none', () =>
  assert.equal(verdict({ headers: assertion('') }), 'assertion_missing'))

test('an assertion for another service is never accepted here, whatever Host says', () => {
  assert.equal(verdict({ headers: direct({ aud: hosts.Ledger }), host: hosts.Ledger }), 'assertion_audience')
})

test('an assertion for this service is accepted whatever Host says', () => {
  for (const host of ['127.0.0.1:8080', 'api', hosts.Ledger])
    assert.equal(verdict({ headers: direct(), host }), 'permitted')
})

test('a key that is missing is asked for, not refused', () => {
  const headers = assertion(tokens.makeSigner().sign(tokens.userClaims({ aud: hosts.API })))
  assert.throws(() => decide({ headers, question: { missing: () => 'ask' } }), Needed)
})

// Edges.

const edges = (...networks: string[]) => ({
  edges: { sourceIp: networks.map((text) => parseNetwork(text) as Network), clientCertificate: [] },
})

test('a user’s assertion counts only from an edge of its issuer, where there are any', () => {
  assert.equal(verdict({ headers: direct(), issuer: edges('198.51.100.0/24') }), 'assertion_not_from_edge')
  assert.equal(verdict({ headers: direct(), issuer: edges('198.51.100.0/24', '192.0.2.0/24') }), 'permitted')
  assert.equal(verdict({ headers: direct(), issuer: edges() }), 'assertion_not_from_edge')
})

test('a service account may come from anywhere', () => {
  assert.equal(verdict({ headers: assertion(accountToken()), issuer: edges('198.51.100.0/24') }), 'permitted')
})

test('a -For may come from anywhere', () => {
  const headers = [...assertion(accountToken()), ...onBehalf(userToken())]
  assert.equal(verdict({ headers, issuer: edges('198.51.100.0/24') }), 'permitted')
})

test('a user who comes from elsewhere is not named in what was found', () => {
  assert.equal(decide({ headers: direct(), issuer: edges('198.51.100.0/24') }).findings.caller, undefined)
})

// Routes.

test('the route is one of the host that the assertion is for', () => {
  const routes = [
    routeOf({ name: 'Admin', service: 'API', policy: anyone }),
    routeOf({ name: 'API', match: { kind: 'prefix', prefix: '/v1/' } }),
    routeOf({ name: 'API rest', service: 'API', host: hosts.API, match: { kind: 'prefix', prefix: '/v2/' } }),
  ]
  assert.equal(permitted({ headers: direct(), target: '/v2/x?y', routes }).route?.name, 'API rest')
  assert.equal(verdict({ headers: direct(), target: '/v3/', routes }), 'route_not_found')
  assert.equal(
    verdict({ headers: direct(), target: '/v3/', host: 'admin.example.com', routes }),
    'route_not_found',
  )
})

// Who calls without an assertion.

const publicHost = routeOf({
  name: 'Public',
  service: 'API',
  host: 'www.example.com',
  aliases: ['www'],
  policy: anyone,
})
const privateHost = routeOf({ name: 'API', host: hosts.API })

test('a route that admits anyone is reached without an assertion, with no identity', () => {
  const { caller, originalUser, route } = permitted({ routes: [publicHost], host: 'www.example.com' })
  assert.deepEqual([caller, originalUser, route?.name], [undefined, undefined, 'Public'])
})

test('a public host beside a private one is reached by its own name alone', () => {
  const routes = [publicHost, privateHost]
  assert.equal(verdict({ routes, host: 'www.example.com' }), 'permitted')
  assert.equal(verdict({ routes, host: 'www' }), 'permitted')
  assert.equal(verdict({ routes, host: hosts.API }), 'assertion_missing')
})

test('a name that is nobody’s could be that of the private host', () => {
  for (const host of ['127.0.0.1', 'other.example.com']) {
    assert.equal(verdict({ routes: [publicHost, privateHost], host }), 'assertion_missing')
    assert.equal(verdict({ routes: [privateHost, publicHost], host }), 'assertion_missing')
    assert.equal(verdict({ routes: [publicHost], host }), 'permitted')
  }
})

test('an alias that two hosts share could be that of the private host', () => {
  const routes = [publicHost, routeOf({ name: 'API', host: hosts.API, aliases: ['www'] })]
  assert.equal(verdict({ routes, host: 'www' }), 'assertion_missing')
})

test('a public path beside a private one of the same host is reached alone', () => {
  const routes = [
    routeOf({ name: 'API', match: { kind: 'prefix', prefix: '/public/' }, policy: anyone }),
    routeOf({ name: 'Rest', service: 'API', host: hosts.API }),
  ]
  assert.equal(verdict({ routes, target: '/public/a' }), 'permitted')
  assert.equal(verdict({ routes, target: '/private' }), 'assertion_missing')
  assert.equal(verdict({ routes, target: '/public/../private' }), 'request_ambiguous')
})

test('a path that no route takes is refused without an assertion as any other', () => {
  const routes = [routeOf({ match: { kind: 'path', path: '/a' }, policy: anyone })]
  assert.equal(verdict({ routes, target: '/b' }), 'assertion_missing')
})

test('a service without routes admits nobody', () => {
  assert.equal(verdict({ routes: [routeOf({ name: 'Ledger' })] }), 'assertion_missing')
  assert.equal(verdict({ routes: [routeOf({ name: 'Ledger' })], headers: direct() }), 'assertion_audience')
})

test('a -For without an assertion is refused on a public route too', () => {
  const setting = { routes: [publicHost], host: 'www.example.com', headers: onBehalf(userToken()) }
  assert.equal(verdict(setting), 'original_user_not_allowed')
})

test('an assertion that is wrong is refused on a public route too', () => {
  assert.equal(
    verdict({ routes: [publicHost], host: 'www.example.com', headers: assertion('a.b') }),
    'assertion_malformed',
  )
})

test('who is anonymous is let in where anyone is', () => {
  const headers = assertion(userToken({ aud: 'www.example.com', sub: '' }))
  assert.equal(
    permitted({ routes: [publicHost], host: 'www.example.com', headers }).caller?.kind,
    'anonymous',
  )
})

test('who is anonymous is assertion_anonymous where somebody is needed', () => {
  assert.equal(verdict({ headers: direct({ sub: '' }) }), 'assertion_anonymous')
})

test('who is anonymous and denied by name is policy_denied', () => {
  const policy = policyOf({
    policy: [{ allow: { or: [{ accept: true }] } }, { deny: { or: [{ http_method: { is: 'GET' } }] } }],
  })
  assert.equal(verdict({ headers: direct({ sub: '' }), routes: [routeOf({ policy })] }), 'policy_denied')
})

// The original user.

const forCodes: Readonly<Record<string, string>> = {
  original_user_malformed: 'a.b',
  original_user_algorithm: tokens.pomerium.sign(tokens.userClaims(), { alg: 'ES384' }),
  original_user_issuer: userToken({ iss: 'elsewhere.example.com' }),
  original_user_key_unknown: tokens.makeSigner().sign(tokens.userClaims()),
  original_user_signature: tokens.withBrokenSignature(userToken()),
  original_user_audience: userToken({ aud: 'elsewhere.example.com' }),
  original_user_expired: userToken({ exp: tokens.nowS - 60 }),
  original_user_not_yet_valid: userToken({ iat: tokens.nowS + 61 }),
}
for (const [code, forToken] of Object.entries(forCodes)) {
  test(`${code} is given, and the -For is never dropped in silence`, () => {
    assert.equal(verdict({ headers: [...assertion(accountToken()), ...onBehalf(forToken)] }), code)
  })
}

test('original_user_revoked is given', () => {
  const revocations = {
    ...tokens.nothingRevoked,
    isRevoked: ({ principal }: { principal: { subject: string } }) => principal.subject === 'alice',
  }
  const headers = [...assertion(accountToken()), ...onBehalf(userToken())]
  assert.equal(verdict({ headers, question: { revocations } }), 'original_user_revoked')
})

test('a -For whose issuer cannot be asked is keys_unavailable', () => {
  const headers = [...assertion(accountToken()), ...onBehalf(userToken())]
  const snapshot = snapshotOf({ keys: {}, authorities: [accounts.authority] })
  assert.equal(verdict({ headers, question: { snapshot } }), 'keys_unavailable')
})

const notAllowed: Readonly<Record<string, readonly string[]>> = {
  'from a user': [...direct(), ...onBehalf(userToken({ sub: 'bob' }))],
  'from a user, about that same user': [...direct(), ...onBehalf(userToken())],
  'from who is anonymous': [...direct({ sub: '' }), ...onBehalf(userToken())],
  'about a minted service account': [...assertion(accountToken()), ...onBehalf(accountToken())],
  'about an issuer’s service account': [
    ...assertion(accountToken()),
    ...onBehalf(userToken({ sub: 'pomerium-account' })),
  ],
  'about nobody': [...assertion(accountToken()), ...onBehalf(userToken({ sub: '' }))],
}
for (const [what, headers] of Object.entries(notAllowed)) {
  test(`a -For ${what} is original_user_not_allowed`, () => {
    assert.equal(verdict({ headers, routes: [routeOf({ policy: anyone })] }), 'original_user_not_allowed')
  })
}

test('a -For from a user is refused before it is read', () => {
  assert.equal(verdict({ headers: [...direct(), ...onBehalf('garbage')] }), 'original_user_not_allowed')
})

const forUserOf = (aud: string) => [...assertion(accountToken()), ...onBehalf(userToken({ aud }))]

test('a user is accepted only if he came in by one of accept_for’s routes', () => {
  const routes = [routeOf({ acceptFor: new Set([hosts.Ledger]) })]
  assert.equal(verdict({ headers: forUserOf(hosts.App), routes }), 'original_user_audience')
  assert.equal(verdict({ headers: forUserOf(hosts.Ledger), routes }), 'permitted')
})

test('a route that takes no original user refuses one, and is called without', () => {
  const routes = [routeOf({ originalUser: 'none' })]
  assert.equal(
    verdict({ headers: [...assertion(accountToken()), ...onBehalf(userToken())], routes }),
    'original_user_not_allowed',
  )
  assert.equal(verdict({ headers: assertion(accountToken()), routes }), 'permitted')
  assert.equal(verdict({ headers: direct(), routes }), 'permitted')
})

for (const originalUser of ['required', 'explicit'] as const) {
  test(`a route with original_user: ${originalUser} is called for a user or by one`, () => {
    const routes = [routeOf({ originalUser, policy: anyone })]
    assert.equal(verdict({ headers: assertion(accountToken()), routes }), 'original_user_required')
    assert.equal(
      verdict({ headers: [...assertion(accountToken()), ...onBehalf(userToken())], routes }),
      'permitted',
    )
    assert.equal(verdict({ headers: direct(), routes }), 'permitted')
    assert.equal(verdict({ headers: direct({ sub: '' }), routes }), 'original_user_required')
    assert.equal(verdict({ routes }), 'original_user_required')
  })
}

// Policy.

const onlyAccount = policyOf({ policy: [{ allow: { or: [{ user: { is: 'api-access' } }] } }] })

test('whom the policy does not allow is policy_denied', () => {
  assert.equal(verdict({ headers: direct(), routes: [routeOf({ policy: onlyAccount })] }), 'policy_denied')
})

test('the policy is asked about the caller, never about the original user in his stead', () => {
  const onlyAlice = policyOf({ policy: [{ allow: { or: [{ user: { is: 'alice' } }] } }] })
  const headers = [...assertion(accountToken()), ...onBehalf(userToken())]
  assert.equal(verdict({ headers, routes: [routeOf({ policy: onlyAlice })] }), 'policy_denied')
  assert.equal(verdict({ headers, routes: [routeOf({ policy: onlyAccount })] }), 'permitted')
})

test('the policy comes before original_user: who may not call learns no more', () => {
  const routes = [
    routeOf({
      policy: policyOf({ policy: [{ allow: { or: [{ user: { is: 'x' } }] } }] }),
      originalUser: 'required',
    }),
  ]
  assert.equal(verdict({ headers: assertion(accountToken()), routes }), 'policy_denied')
})

test('the policy reads the method, the path without query, and a preflight', () => {
  const policy = policyOf({
    policy: [
      { allow: { or: [{ cors_preflight: true }] } },
      { allow: { and: [{ http_method: { is: 'POST' } }, { http_path: { is: '/a' } }] } },
    ],
  })
  const routes = [routeOf({ policy })]
  assert.equal(verdict({ headers: direct(), routes, method: 'POST', target: '/a?b=/c' }), 'permitted')
  assert.equal(verdict({ headers: direct(), routes, method: 'GET', target: '/a' }), 'policy_denied')
  assert.equal(verdict({ headers: direct(), routes, method: 'POST', target: '/c?/a' }), 'policy_denied')
  const preflight = ['Origin', 'https://x', 'Access-Control-Request-Method', 'POST']
  assert.equal(verdict({ headers: preflight, routes, method: 'OPTIONS' }), 'permitted')
  assert.equal(verdict({ headers: preflight, routes, method: 'GET' }), 'assertion_missing')
  assert.equal(verdict({ headers: preflight.slice(0, 2), routes, method: 'OPTIONS' }), 'assertion_missing')
  assert.equal(
    verdict({ headers: [...preflight.slice(0, 3), ''], routes, method: 'OPTIONS' }),
    'assertion_missing',
  )
})

test('what was found before a refusal is recorded, and nothing that was not verified', () => {
  const { findings } = decide({ headers: [...assertion(accountToken()), ...onBehalf('garbage')] })
  assert.equal(findings.caller?.principal.subject, 'api-access')
  assert.equal(findings.route?.name, 'API')
  assert.equal(findings.originalUser, undefined)
  assert.equal(decide({ headers: assertion(tokens.withBrokenSignature(token)) }).findings.caller, undefined)
})

// The headers for the app.

const startedTrace = {
  traceId: '1'.repeat(32),
  spanId: '2'.repeat(16),
  isSampled: true,
  isContinued: false,
}
const carriers = {
  'x-onbehalf-handle': ['the-handle'],
  traceparent: [`00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`],
  tracestate: ['onbehalf=the-handle'],
  baggage: ['onbehalf=the-handle'],
}

function headersFor(setting: Setting): Readonly<Record<string, string[]>> {
  const snapshot = snapshotFor(setting)
  const { findings } = decide(setting)
  const values: Record<string, string[]> = {}
  const headers = inboundHeaders(findings, snapshot, 'the-handle', startedTrace)
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase()
    values[name] = [...(values[name] ?? []), headers[i + 1] as string]
  }
  return values
}

test('the app gets both JWTs byte for byte, and what they say, each once', () => {
  const [caller, user] = [accountToken(), userToken()]
  const forged = [
    'X-Pomerium-Claim-Email',
    'root',
    'x_pomerium_original_user_id',
    'root',
    'x-onbehalf-handle',
    'theirs',
    'X-Pomerium-Authorization',
    'x',
  ]
  const headers = headersFor({
    headers: [...forged, ...assertion(caller), ...onBehalf(user), 'X-Own', '1', 'Cookie', 'c'],
  })
  assert.deepEqual(headers, {
    host: [hosts.API],
    'x-own': ['1'],
    cookie: ['c'],
    'x-pomerium-jwt-assertion': [caller],
    'x-pomerium-authenticated-user-id': ['api-access'],
    'x-pomerium-authenticated-user-email': [''],
    'x-pomerium-authenticated-user-groups': [''],
    'x-pomerium-jwt-assertion-for': [user],
    'x-pomerium-original-user-id': ['alice'],
    'x-pomerium-original-user-email': ['alice@example.com'],
    'x-pomerium-original-user-groups': ['staff'],
    ...carriers,
  })
})

test('on a route without pass_identity_headers the app gets the handle and nothing else of ours', () => {
  const headers = headersFor({
    headers: [...direct(), 'Accept', '*'],
    routes: [routeOf({ passIdentityHeaders: false })],
  })
  assert.deepEqual(headers, { host: [hosts.API], accept: ['*'], ...carriers })
})

test('on a public route the app gets no identity', () => {
  const headers = headersFor({
    routes: [publicHost],
    host: 'www.example.com',
    headers: ['x-pomerium-authenticated-user-id', 'root'],
  })
  assert.deepEqual(headers, { host: ['www.example.com'], ...carriers })
})

test('who is anonymous is shown with empty claims', () => {
  const headers = headersFor({
    routes: [publicHost],
    host: 'www.example.com',
    headers: assertion(userToken({ aud: 'www.example.com', sub: '' })),
  })
  assert.deepEqual(headers['x-pomerium-authenticated-user-id'], [''])
  assert.deepEqual(headers['x-pomerium-authenticated-user-email'], [''])
})

test('a Pomerium service account’s token never reaches the app, and another Authorization does', () => {
  for (const value of ['Pomerium eyJ', 'Bearer Pomerium-eyJ']) {
    assert.equal(headersFor({ headers: [...direct(), 'Authorization', value] })['authorization'], undefined)
  }
  assert.deepEqual(headersFor({ headers: [...direct(), 'Authorization', 'Bearer own'] })['authorization'], [
    'Bearer own',
  ])
})

test('Connection cannot take away what the sidecar sets', () => {
  const nominated = 'X-Pomerium-Jwt-Assertion, x-pomerium-authenticated-user-id, x-onbehalf-handle'
  const headers = headersFor({ headers: [...direct(), 'Connection', nominated] })
  assert.deepEqual(headers['x-pomerium-authenticated-user-id'], ['alice'])
  assert.deepEqual(headers['x-onbehalf-handle'], ['the-handle'])
  assert.equal(headers['connection'], undefined)
})

test('a request that was refused for its assertion goes on, in report mode, as nobody', () => {
  const headers = headersFor({
    headers: [
      ...assertion(tokens.withBrokenSignature(token)),
      'x-pomerium-authenticated-user-id',
      'alice',
      'Accept',
      '*',
    ],
  })
  assert.deepEqual(headers, { host: [hosts.API], accept: ['*'], ...carriers })
})
