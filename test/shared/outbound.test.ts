// Every answer that the outbound decision can give, and what goes out with the call.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Revocations } from '../../shared/assertion/verify.ts'
import type { Mesh, Route } from '../../shared/config/mesh.ts'
import { decideOutbound, outboundHeaders, type OutboundAnswer } from '../../shared/outbound.ts'
import { Sessions } from '../../sidecar/sessions.ts'
import { clockMs } from '../support/certificates.ts'
import * as tokens from '../support/tokens.ts'

const { assertionOf, hosts, meshOf, policyOf, refusalOf, routeOf, snapshotOf } = tokens

const alice = assertionOf('user', 'alice')
const account = assertionOf('service_account', 'api-access')

function liveSessions() {
  const sessions = new Sessions({ service: 'API', now: () => clockMs, maxBytes: () => 0, lingerMs: () => 0 })
  const forAlice = sessions.keep(account, alice)
  const own = sessions.keep(assertionOf('service_account', 'batch'), undefined)
  const nobody = sessions.keep(assertionOf('anonymous', ''), undefined)
  const ended = sessions.keep(alice, undefined)
  ended.end()
  return {
    sessions,
    handles: { alice: forAlice.handle, own: own.handle, nobody: nobody.handle, ended: ended.handle },
  }
}
type Whose = keyof ReturnType<typeof liveSessions>['handles']

interface Setting {
  readonly routes?: readonly Route[]
  readonly mesh?: Partial<Mesh>
  readonly host?: string
  readonly target?: string
  readonly headers?: readonly string[]
  /** Whose handle the call carries. */
  readonly carrying?: Whose
  readonly revocations?: Revocations
}

function decide(setting: Setting): OutboundAnswer {
  const { host = hosts.Ledger, target = '/', headers = [], carrying } = setting
  const { sessions, handles } = liveSessions()
  const handle = carrying === undefined ? [] : ['x-onbehalf-handle', handles[carrying]]
  const mesh = meshOf({ ...(setting.routes && { routes: setting.routes }), ...setting.mesh })
  return decideOutbound({
    head: { method: 'GET', target, headers: ['Host', host, ...headers, ...handle] },
    snapshot: snapshotOf({ mesh }),
    sessions,
    revocations: setting.revocations ?? tokens.nothingRevoked,
    missing: tokens.nothingElseIsKnown,
  })
}

const verdict = (setting: Setting): string => {
  const answer = decide(setting)
  return answer.permitted ? 'permitted' : answer.refusal.code
}

test('a call that carries a user is made on his behalf', () => {
  const answer = decide({ carrying: 'alice' })
  assert.ok(answer.permitted)
  assert.equal(answer.findings.originalUser, alice)
  assert.equal(answer.findings.route?.name, 'Ledger')
  assert.equal(answer.reason, 'on behalf of the user that handle names')
})

test('a call that carries nothing is the service’s own', () => {
  const answer = decide({})
  assert.ok(answer.permitted)
  assert.equal(answer.findings.originalUser, undefined)
  assert.deepEqual(answer.findings.cause, { kind: 'none' })
})

const rules: readonly (readonly [
  rule: Route['originalUser'],
  carrying: Whose | undefined,
  expected: string,
])[] = [
  ['optional', 'alice', 'permitted'],
  ['optional', 'own', 'permitted'],
  ['optional', 'nobody', 'original_user_required'],
  ['optional', 'ended', 'original_user_lost'],
  ['optional', undefined, 'permitted'],
  ['required', 'alice', 'permitted'],
  ['required', 'own', 'original_user_required'],
  ['required', 'nobody', 'original_user_required'],
  ['required', 'ended', 'original_user_lost'],
  ['required', undefined, 'original_user_required'],
  ['explicit', 'alice', 'permitted'],
  ['explicit', 'own', 'original_user_required'],
  ['explicit', 'nobody', 'original_user_required'],
  ['explicit', 'ended', 'original_user_lost'],
  ['explicit', undefined, 'original_user_required'],
  ['none', 'alice', 'permitted'],
  ['none', 'own', 'permitted'],
  ['none', 'nobody', 'permitted'],
  ['none', undefined, 'permitted'],
]
for (const [originalUser, carrying, expected] of rules) {
  test(`original_user: ${originalUser}, carrying ${carrying ?? 'nothing'}: ${expected}`, () => {
    const routes = [routeOf({ name: 'Ledger', originalUser })]
    const answer = decide({ routes, ...(carrying && { carrying }) })
    assert.equal(answer.permitted ? 'permitted' : answer.refusal.code, expected)
    const goesAlong = expected === 'permitted' && carrying === 'alice' && originalUser !== 'none'
    assert.equal(answer.findings.originalUser, goesAlong ? alice : undefined)
  })
}

test('a user who was revoked since is not carried on', () => {
  const revoked = { carrying: 'alice', revocations: tokens.everythingRevoked } as const
  assert.equal(verdict(revoked), 'original_user_revoked')
  assert.equal(decide(revoked).findings.originalUser, undefined)
  assert.equal(
    verdict({ ...revoked, routes: [routeOf({ name: 'Ledger', originalUser: 'none' })] }),
    'permitted',
  )
  assert.equal(verdict({ revocations: tokens.everythingRevoked }), 'permitted')
})

test('where not all that is revoked is known, no user is carried on; a call for nobody goes', () => {
  const revocations = { ...tokens.nothingRevoked, gap: 'unheard' } as const
  assert.equal(verdict({ carrying: 'alice', revocations }), 'keys_unavailable')
  assert.equal(decide({ carrying: 'alice', revocations }).findings.originalUser, undefined)
  const revoked = { ...tokens.everythingRevoked, gap: 'unheard' } as const
  assert.equal(verdict({ carrying: 'alice', revocations: revoked }), 'original_user_revoked')
  assert.equal(verdict({ revocations }), 'permitted')
})

test('sources that disagree are original_user_ambiguous', () => {
  assert.equal(
    verdict({ carrying: 'own', headers: ['X-Pomerium-Jwt-Assertion-For', alice.token] }),
    'original_user_ambiguous',
  )
})

test('an identity header twice is request_ambiguous, also on the way to a host that no route names', () => {
  const headers = ['x-onbehalf-handle', 'a']
  assert.equal(verdict({ headers, carrying: 'alice' }), 'request_ambiguous')
  assert.equal(verdict({ headers, carrying: 'alice', host: 'elsewhere.example.org' }), 'request_ambiguous')
})

test('a request without Host is request_malformed', () =>
  assert.equal(verdict({ host: '' }), 'request_malformed'))

test('a target for another host than Host is request_ambiguous', () => {
  assert.equal(verdict({ target: 'http://api.example.com/' }), 'request_ambiguous')
})

test('a route is found by its host, by an alias, in any case, with or without port', () => {
  const routes = [routeOf({ name: 'Ledger', aliases: ['ledger', 'ledger.default.svc.cluster.local'] })]
  for (const host of [
    hosts.Ledger,
    'LEDGER.Example.Com',
    'ledger',
    'ledger:8080',
    'ledger.default.svc.cluster.local',
    'ledger.example.com.',
  ]) {
    assert.equal(decide({ routes, host }).findings.route?.name, 'Ledger', host)
  }
})

test('a route is found by the absolute form too', () => {
  assert.equal(decide({ target: `http://${hosts.Ledger}/a` }).findings.route?.name, 'Ledger')
})

test('of several routes of a host the first that takes the path has it', () => {
  const routes = [
    routeOf({ name: 'Ledger', match: { kind: 'prefix', prefix: '/v1/' } }),
    routeOf({
      name: 'Ledger rest',
      service: 'Ledger',
      host: hosts.Ledger,
      match: { kind: 'prefix', prefix: '/v2/' },
    }),
  ]
  assert.equal(decide({ routes, target: '/v2/a?b' }).findings.route?.name, 'Ledger rest')
  assert.equal(verdict({ routes, target: '/v3/' }), 'route_not_found')
  assert.equal(verdict({ routes, target: '/v1/../v2/' }), 'request_ambiguous')
})

test('a policy that reads the path makes an ambiguous one a refusal here too', () => {
  const policy = policyOf({ policy: [{ allow: { or: [{ http_path: { starts_with: '/a' } }] } }] })
  assert.equal(
    verdict({ routes: [routeOf({ name: 'Ledger', policy })], target: '/a/../b' }),
    'request_ambiguous',
  )
  assert.equal(verdict({ target: '/a/../b' }), 'permitted')
})

test('a route that this service may not call is call_not_allowed', () => {
  assert.equal(verdict({ mesh: { calls: new Set(['API']) } }), 'call_not_allowed')
  assert.equal(verdict({ mesh: { calls: new Set(['Ledger']) } }), 'permitted')
})

test('a host that no route names gets no identity, whatever the call carries', () => {
  const answer = decide({ host: 'elsewhere.example.org', carrying: 'alice', headers: ['X-Own', '1'] })
  assert.ok(answer.permitted)
  const { route, cause, originalUser } = answer.findings
  assert.deepEqual([route, cause, originalUser], [undefined, undefined, undefined])
  assert.deepEqual(outboundHeaders(answer.findings, []), ['Host', 'elsewhere.example.org', 'X-Own', '1'])
})

test('a lost user does not keep a call from a host that no route names', () => {
  assert.equal(verdict({ host: 'elsewhere.example.org', carrying: 'ended' }), 'permitted')
})

test('a name that merely looks like a route’s host is no route', () => {
  for (const host of [
    'xledger.example.com',
    'ledger.example.com.evil.org',
    'ledger_example.com',
    'example.com',
  ]) {
    assert.equal(decide({ host, carrying: 'alice' }).findings.route, undefined, host)
  }
})

test('where the mesh file says so, a host that no route names is egress_denied', () => {
  const mesh = { egress: { unlisted: 'deny', local: 'deny' } } as const
  assert.equal(verdict({ mesh, host: 'elsewhere.example.org' }), 'egress_denied')
  assert.equal(verdict({ mesh }), 'permitted')
})

// The headers that go out.

const claims = ['X-Pomerium-Jwt-Assertion-For', alice.token]
const identity = [
  ...claims,
  'x_onbehalf_handle',
  'h',
  'X-Pomerium-Authenticated-User-Id',
  'root',
  'X-Onbehalf-Via',
  'v',
]

test('the credential and the user go out, and nothing else that says who calls', () => {
  const { findings } = decide({
    carrying: 'alice',
    headers: [...identity, 'Accept', '*', 'Authorization', 'Bearer own'],
  })
  assert.deepEqual(outboundHeaders(findings, ['X-Pomerium-Jwt-Assertion', 'minted']), [
    'Host',
    hosts.Ledger,
    'Accept',
    '*',
    'Authorization',
    'Bearer own',
    'X-Pomerium-Jwt-Assertion',
    'minted',
    'X-Pomerium-Jwt-Assertion-For',
    alice.token,
  ])
})

test('the user goes out once, though the app copied his JWT under two names', () => {
  const { findings } = decide({ headers: [...claims, 'x-pomerium-jwt-assertion', account.token] })
  const headers = outboundHeaders(findings, ['X-Pomerium-Jwt-Assertion', 'minted'])
  assert.equal(headers.filter((value) => value === alice.token).length, 1)
  assert.ok(!headers.includes(account.token))
})

test('on a route that takes no user none goes out, whatever the app copied', () => {
  const routes = [routeOf({ name: 'Ledger', originalUser: 'none' })]
  const { findings } = decide({ routes, carrying: 'alice', headers: claims })
  assert.deepEqual(outboundHeaders(findings, ['X-Pomerium-Jwt-Assertion', 'm']), [
    'Host',
    hosts.Ledger,
    'X-Pomerium-Jwt-Assertion',
    'm',
  ])
})

test('a credential that needs the Authorization field is refused where the app has one of its own', () => {
  const { findings } = decide({ headers: ['AUTHORIZATION', 'Bearer own'] })
  assert.equal(
    refusalOf(() => outboundHeaders(findings, ['authorization', 'Pomerium t'])),
    'credential_unavailable',
  )
  assert.doesNotThrow(() => outboundHeaders(findings, ['x-pomerium-authorization', 't']))
  assert.doesNotThrow(() => outboundHeaders(decide({}).findings, ['authorization', 'Pomerium t']))
})

test('a value that reads authorization is not taken for the field', () => {
  const { findings } = decide({ headers: ['X-Note', 'authorization'] })
  assert.doesNotThrow(() => outboundHeaders(findings, ['authorization', 'Pomerium t']))
})
