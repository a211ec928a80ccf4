// Made states and decisions of a mesh of three services, for tests of the page.
import type { Decision } from '../../shared/decision.ts'
import { stepsOf } from '../../shared/steps.ts'
import type { DecisionEvent, Edge, ServiceState } from '../../sidecar/admin/page/protocol.ts'

const startedAtMs = Date.UTC(2026, 0, 15, 12)
const dayMs = 86_400_000
export const bounds = [0.005, 0.01, 0.05, 0.1, 1]

export function makeEdge(changes: Partial<Edge> = {}): Edge {
  return {
    from: 'users',
    to: 'App',
    direction: 'inbound',
    requests: 0,
    refused: 0,
    failed: 0,
    codes: {},
    buckets: [0, 0, 0, 0, 0, 0],
    ...changes,
  }
}

/** What a service says so many seconds after its start. */
export function makeState(service: string, second = 0, changes: Partial<ServiceState> = {}): ServiceState {
  return {
    service,
    version: '0.6.0',
    mode: 'enforce',
    atMs: startedAtMs + second * 1_000,
    startedAtMs,
    notReady: [],
    edges: [],
    bounds,
    keys: [],
    waitingFor: [],
    sessions: { active: 2, lingering: 5, bytes: 19_600 },
    configuration: { file: '/etc/onbehalf/mesh.yaml', loadedAtMs: startedAtMs, problems: [] },
    unsentDecisions: 0,
    ...changes,
  }
}

const accounts = { App: 'api-access', API: 'ledger-access' } as const

/** As keys are judged by the clock of the browser. */
const nowMs = Date.now()

/** The demo's mesh, so many seconds after its start, as busy as the tenth of it is. */
export function makeMesh(second: number): readonly ServiceState[] {
  const until = (ms: number) => new Date(nowMs + ms).toISOString()
  const busy = (from: string, to: string, direction: Edge['direction'], each: number, refused = 0): Edge => {
    const requests = each * second
    return makeEdge({
      from,
      to,
      direction,
      requests,
      refused: refused * second,
      codes: refused === 0 ? {} : { policy_denied: refused * second },
      buckets: [requests * 0.5, requests * 0.3, requests * 0.17, requests * 0.03, 0, 0],
    })
  }
  const issuer = {
    kind: 'issuer',
    of: 'pomerium',
    id: 'a1b2c3d4',
    usableUntil: until(dayMs - 60_000),
    since: until(-60_000),
    revoked: false,
  } as const
  const root = {
    kind: 'root',
    of: 'mesh.companydomain.com',
    id: '6F:0C:3B:55:19:A2:E4:77',
    usableUntil: until(3_650 * dayMs),
    since: undefined,
    revoked: false,
  } as const
  const account = (of: string, ms: number) =>
    ({
      kind: 'account',
      of,
      id: `${of}-key-1`,
      usableUntil: until(ms),
      since: undefined,
      revoked: false,
    }) as const
  const at = { startedAtMs: nowMs - 754_000, atMs: nowMs + second * 1_000 }
  return [
    makeState('App', second, {
      ...at,
      edges: [
        busy('users', 'App', 'inbound', 12),
        busy('unverified', 'App', 'inbound', 1, 1),
        busy('App', 'API', 'outbound', 9, 1),
        busy('App', 'elsewhere', 'outbound', 2),
      ],
      keys: [issuer, root, account(accounts.App, 90 * dayMs)],
    }),
    makeState('API', second, {
      ...at,
      edges: [busy('App', 'API', 'inbound', 8), busy('API', 'Ledger', 'outbound', 4)],
      keys: [issuer, root, account(accounts.API, dayMs / 4)],
    }),
    makeState('Ledger', second, {
      ...at,
      edges: [busy('API', 'Ledger', 'inbound', 4), busy('batch-job', 'Ledger', 'inbound', 1)],
      keys: [issuer, root],
      sessions: { active: 0, lingering: 0, bytes: 0 },
    }),
  ]
}

let decisions = 0

export function makeDecision(changes: Partial<Decision> = {}): DecisionEvent {
  decisions += 1
  const decision: Decision = {
    requestId: `request-${decisions}`,
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: undefined,
    isSampled: true,
    direction: 'inbound',
    atMs: startedAtMs + decisions * 100,
    service: 'App',
    mode: 'enforce',
    outcome: 'allowed',
    code: undefined,
    reason: 'allow: domain is companydomain.com',
    detail: undefined,
    method: 'GET',
    protocol: { scheme: 'http', version: '1.1' },
    port: undefined,
    host: 'app.localhost.pomerium.io',
    path: '/',
    route: 'App',
    peer: '127.0.0.1',
    certificate: undefined,
    caller: undefined,
    originalUser: undefined,
    chain: undefined,
    txn: undefined,
    cause: undefined,
    source: undefined,
    sources: undefined,
    ...changes,
  }
  return { ...decision, steps: stepsOf(decision) }
}

export const alice = { issuer: 'pomerium', subject: 'alice', kind: 'user' } as const
const apiAccess = { issuer: 'mesh', subject: accounts.App, kind: 'service_account' } as const
const ledgerAccess = { issuer: 'mesh', subject: accounts.API, kind: 'service_account' } as const
const txn = '97053963-771d-49cc-a4e3-20aad399c312'

/** Alice's request through the whole mesh, oldest first; its last call is refused by Ledger's policy. */
export function makeWay(): readonly DecisionEvent[] {
  const atApp = makeDecision({ caller: alice, path: '/accounts' })
  const source = { name: 'handle', says: 'user', user: alice } as const
  const called = { direction: 'outbound', cause: 'user', source: 'handle', originalUser: alice } as const
  const reason = 'on behalf of the user that handle names'
  const toApi = makeDecision({
    ...called,
    route: 'API',
    host: 'api.localhost.pomerium.io',
    path: '/accounts/4711',
    reason,
    sources: [{ ...source, requestId: atApp.requestId }],
  })
  const atApi = makeDecision({
    service: 'API',
    route: 'API',
    host: 'api.localhost.pomerium.io',
    path: '/accounts/4711',
    caller: apiAccess,
    originalUser: alice,
    chain: [accounts.App],
    txn,
    certificate: 'spiffe://mesh.companydomain.com/api-access',
    reason: 'allow: user is api-access, issuer is mesh, original_user domain is companydomain.com',
  })
  const toLedger = makeDecision({
    ...called,
    service: 'API',
    route: 'Ledger',
    host: 'ledger.localhost.pomerium.io',
    path: '/entries',
    reason,
    chain: [accounts.App],
    txn,
    sources: [{ ...source, requestId: atApi.requestId }],
  })
  const atLedger = makeDecision({
    service: 'Ledger',
    route: 'Ledger',
    host: 'ledger.localhost.pomerium.io',
    path: '/entries',
    outcome: 'refused',
    code: 'policy_denied',
    reason: 'The policy of the route does not allow this request.',
    detail: 'no allow rule matched: user is ledger-admin',
    caller: ledgerAccess,
    originalUser: alice,
    chain: [accounts.App, accounts.API],
    txn,
    certificate: 'spiffe://mesh.companydomain.com/ledger-access',
  })
  return [atApp, toApi, atApi, toLedger, atLedger]
}
