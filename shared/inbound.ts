// Decides an inbound request: who calls, on whose behalf, by which route, and what the app is told of it.
import { expired, hasExpired, verifyToken, type Revocations, type TokenRole } from './assertion/verify.ts'
import type { Route } from './config/mesh.ts'
import { Refusal } from './errors.ts'
import { acceptEvidence } from './evidence/accept.ts'
import type { Evidence } from './evidence/evidence.ts'
import { siftHeaders, withoutPomeriumAuthorization, type SiftedHeaders } from './headers/firewall.ts'
import { identityHeaders } from './headers/identity-headers.ts'
import { headerNames } from './headers/names.ts'
import { readTraceParent, withHandle, type TraceParent } from './headers/trace-context.ts'
import { headerValues, type Peer, type RequestHead } from './head.ts'
import type { Assertion } from './identity.ts'
import type { MissingRule } from './needed.ts'
import { admitPeer, isEdge, matchPeer } from './peer-rules.ts'
import type { ConnectedPeer, PeerIdentity } from './peer.ts'
import type { PolicyVerdict } from './policy/policy.ts'
import { matchRoute, readPath } from './routes.ts'
import { readTarget, type RequestTarget } from './target.ts'
import type { Snapshot } from './trust.ts'

/** What report mode lets through all the same: verdicts on identity, never on the form of a request or on load. */
export const reportable: ReadonlySet<number> = new Set([401, 403, 404])

export interface InboundQuestion {
  readonly head: RequestHead
  readonly peer: ConnectedPeer
  readonly snapshot: Snapshot
  readonly revocations: Revocations
  /** Milliseconds since the epoch. */
  readonly nowMs: number
  readonly missing: MissingRule
}

/** What was found so far: complete for a permitted request, partial for a refused one. All of it is verified, but where it says otherwise. */
export interface InboundFindings {
  target?: RequestTarget
  sifted?: SiftedHeaders
  /** The trace that the request is part of; undefined where it starts one. */
  traceParent?: TraceParent | undefined
  /** What the connection's certificate shows, proven or not. */
  peer?: PeerIdentity | undefined
  caller?: Assertion
  route?: Route
  originalUser?: Assertion
  /** How the original user's request came here. */
  evidence?: Evidence
  policy?: PolicyVerdict
}

export type InboundAnswer =
  | { readonly permitted: true; readonly findings: InboundFindings; readonly reason: string }
  | { readonly permitted: false; readonly findings: InboundFindings; readonly refusal: Refusal }

/**
 * Decides. Pure but for the caches in the snapshot's trust.
 * @throws {Needed} where `missing` answers `ask`.
 */
export function decideInbound(question: InboundQuestion): InboundAnswer {
  const findings: InboundFindings = {}
  try {
    return { permitted: true, findings, reason: permit(question, findings) }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { permitted: false, findings, refusal: error }
  }
}

function permit(question: InboundQuestion, findings: InboundFindings): string {
  const { head, snapshot } = question
  const target = (findings.target = readTarget(head))
  const sifted = (findings.sifted = siftHeaders(head.headers, snapshot.mesh.claimHeaderNames))
  if (sifted.duplicated !== undefined) {
    throw new Refusal('request_ambiguous', `The request has ${sifted.duplicated} more than once.`)
  }
  findings.traceParent = readTraceParent(sifted.passing)
  const identity = (findings.peer = identifyPeer(question))
  admitPeer(snapshot.mesh, question.peer.address, identity)
  const caller = verifyCaller(question, sifted, identity)
  if (caller !== undefined) findings.caller = caller
  const candidates = routesFor(caller, target, snapshot)
  const routes = candidates.length === 1 ? (candidates[0] as readonly Route[]) : candidates.flat()
  const path = readPath(routes, 'arriving', target.originForm)
  const route =
    caller === undefined
      ? publicRoute(candidates, path, question, findings)
      : matchRoute(routes, 'arriving', path)
  if (route === undefined) throw nothingMatches(caller)
  findings.route = route
  const originalUser = verifyOriginalUser(question, sifted, caller, route)
  const evidence = verifyEvidence(question, sifted, caller, route, originalUser)
  // Only now: a user whose request is not shown to have come this way is not known to have asked for this.
  if (originalUser !== undefined) findings.originalUser = originalUser
  if (evidence !== undefined) findings.evidence = evidence
  const verdict = (findings.policy = route.policy.evaluate(facts(question, findings, path)))
  if (!verdict.allowed) throw notAllowed(caller, verdict)
  requireOriginalUser(route, caller, originalUser)
  return verdict.reason
}

function identifyPeer({ peer, snapshot, revocations, nowMs }: InboundQuestion): PeerIdentity | undefined {
  return peer.shown?.identify(snapshot.trust, revocations, nowMs)
}

function verifyCaller(
  question: InboundQuestion,
  sifted: SiftedHeaders,
  identity: PeerIdentity | undefined,
): Assertion | undefined {
  const token = sifted.claimed.assertion
  if (token === undefined) return undefined
  const { mesh } = question.snapshot
  const caller = verify(question, token, 'assertion', mesh.ownRoutes)
  if (caller.kind === 'user') requireEdge(question, caller, identity)
  matchPeer(mesh, caller, identity)
  return caller
}

function verify(
  question: InboundQuestion,
  token: string,
  role: TokenRole,
  audiences: { has(host: string): boolean },
  graceMs = 0,
): Assertion {
  const { peer, snapshot, revocations, nowMs, missing } = question
  return verifyToken(token, { role, audiences, peer, snapshot, revocations, nowMs, missing, graceMs })
}

/** A user's token passes through many hands: as the caller's own it counts only from where its issuer hands it in. */
function requireEdge(
  { peer, snapshot }: InboundQuestion,
  caller: Assertion,
  identity: PeerIdentity | undefined,
): void {
  const issuer = snapshot.mesh.issuers.find((entry) => entry.name === caller.principal.issuer)
  if (issuer?.edges === undefined || isEdge(issuer.edges, peer.address, identity)) return
  throw new Refusal(
    'assertion_not_from_edge',
    "A user's assertion is accepted only from the edges of its issuer. A service calls with its own account.",
  )
}

/** The lists of routes among which the first match counts: those of the assertion's audience, or of every host. */
function routesFor(
  caller: Assertion | undefined,
  target: RequestTarget,
  snapshot: Snapshot,
): readonly (readonly Route[])[] {
  const { ownRoutes } = snapshot.mesh
  if (caller !== undefined) return [ownRoutes.get(caller.audience) ?? []]
  const named = [...ownRoutes].filter(
    ([host, routes]) => host === target.host || isAlias(routes, target.host),
  )
  return (named.length > 0 ? named : [...ownRoutes]).map(([, routes]) => routes)
}

function isAlias(routes: readonly Route[], host: string): boolean {
  return routes.some((route) => route.aliases.includes(host))
}

/**
 * The route of a request without an assertion. Since nothing proves for which host it is, every host that it could
 * be for must admit anyone; else a public host beside a private one would open the private one.
 */
function publicRoute(
  candidates: readonly (readonly Route[])[],
  path: string,
  question: InboundQuestion,
  findings: InboundFindings,
): Route | undefined {
  const matches = candidates.map((routes) => matchRoute(routes, 'arriving', path))
  const isOpen = (route: Route | undefined) =>
    route !== undefined && route.policy.evaluate(facts(question, { ...findings, route }, path)).allowed
  if (matches.length === 0 || !matches.every(isOpen)) {
    throw new Refusal(
      'assertion_missing',
      'The request has no X-Pomerium-Jwt-Assertion. Come through Pomerium, or through the sidecar of the calling service.',
    )
  }
  return matches[0]
}

function nothingMatches(caller: Assertion | undefined): Refusal {
  const whose = caller === undefined ? '' : ' of the host that the assertion is for'
  return new Refusal('route_not_found', `No route${whose} takes this path.`)
}

function verifyOriginalUser(
  question: InboundQuestion,
  sifted: SiftedHeaders,
  caller: Assertion | undefined,
  route: Route,
): Assertion | undefined {
  const token = sifted.claimed.assertionFor
  if (token === undefined) return undefined
  // Pomerium copies any -For, also a browser's: accepted from a user, it would let everybody be anybody.
  if (caller?.kind !== 'service_account') {
    throw notAllowedFor('Only a service account may call on behalf of a user.')
  }
  if (route.originalUser === 'none') throw notAllowedFor('This route takes no original user.')
  // What expired on the way is judged by the evidence, which shows when the user came in.
  const graceMs = sifted.claimed.via === undefined ? 0 : question.snapshot.mesh.originalUserGraceMs
  const originalUser = verify(question, token, 'original_user', route.acceptFor, graceMs)
  if (originalUser.kind !== 'user') throw notAllowedFor('X-Pomerium-Jwt-Assertion-For must be about a user.')
  return originalUser
}

function verifyEvidence(
  question: InboundQuestion,
  sifted: SiftedHeaders,
  caller: Assertion | undefined,
  route: Route,
  originalUser: Assertion | undefined,
): Evidence | undefined {
  const { via } = sifted.claimed
  const evidence = acceptEvidence({ ...question, via, caller, route, originalUser })
  if (evidence === undefined && originalUser !== undefined && hasExpired(originalUser, question.nowMs)) {
    throw expired('original_user', originalUser, question.nowMs)
  }
  return evidence
}

function notAllowedFor(message: string): Refusal {
  return new Refusal('original_user_not_allowed', message)
}

function facts(question: InboundQuestion, findings: InboundFindings, path: string) {
  const { head, peer, nowMs } = question
  return {
    caller: findings.caller,
    originalUser: findings.originalUser,
    chain: findings.evidence?.accounts,
    method: head.method,
    path,
    corsPreflight: isCorsPreflight(head),
    peer: { address: peer.address, ...certificateOf(findings.peer) },
    nowMs,
  }
}

/** One that proves nothing is none: a policy must not go by a name that anybody can write into a certificate. */
function certificateOf(identity: PeerIdentity | undefined): Pick<Peer, 'certificate'> | undefined {
  return identity?.kind === 'proven' ? { certificate: identity.certificate } : undefined
}

function isCorsPreflight(head: RequestHead): boolean {
  if (head.method !== 'OPTIONS') return false
  const names = ['origin', 'access-control-request-method']
  return names.every((name) => headerValues(head.headers, name).some((value) => value !== ''))
}

function notAllowed(caller: Assertion | undefined, verdict: PolicyVerdict): Refusal {
  if (caller?.kind === 'anonymous' && !verdict.denied) {
    return new Refusal(
      'assertion_anonymous',
      'The assertion is about nobody, and this route needs somebody. Sign in.',
    )
  }
  return new Refusal('policy_denied', 'The policy of the route does not allow this request.', {
    detail: verdict.reason,
  })
}

function requireOriginalUser(
  route: Route,
  caller: Assertion | undefined,
  originalUser: Assertion | undefined,
): void {
  if (route.originalUser !== 'required' && route.originalUser !== 'explicit') return
  if (originalUser !== undefined || caller?.kind === 'user') return
  throw new Refusal(
    'original_user_required',
    'This route is called on behalf of a user only: send X-Pomerium-Jwt-Assertion-For beside the assertion.',
  )
}

/**
 * The headers for the app: what passed the firewall, then what was verified, then the session's handle, by itself and in
 * the trace context, where an agent carries it.
 */
export function inboundHeaders(
  findings: InboundFindings,
  snapshot: Snapshot,
  handle: string,
  trace: TraceParent,
): string[] {
  const passing = withoutPomeriumAuthorization(findings.sifted?.passing ?? [])
  const headers = withHandle(passing, handle, trace)
  headers.push(...identityHeaders(findings, snapshot.mesh), headerNames.handle, handle)
  return headers
}
