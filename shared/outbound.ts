// Decides an outbound call: which route it is, on whose behalf it is made, and what may go with it.
import { requireAllRevocations, type Revocations } from './assertion/verify.ts'
import type { Route } from './config/mesh.ts'
import { Refusal } from './errors.ts'
import { siftHeaders, type SiftedHeaders } from './headers/firewall.ts'
import type { Passage } from './evidence/evidence.ts'
import type { RequestHead } from './head.ts'
import type { Assertion } from './identity.ts'
import type { MissingRule } from './needed.ts'
import { matchRoute, readPath } from './routes.ts'
import type { Session, SessionIndex } from './session.ts'
import { agentSources, findCause, readSources, type Cause, type Reading, type SourceName } from './sources.ts'
import { readTraceParent, type TraceParent } from './headers/trace-context.ts'
import { readTarget, type RequestTarget } from './target.ts'
import type { Snapshot } from './trust.ts'

export interface OutboundQuestion {
  readonly head: RequestHead
  readonly snapshot: Snapshot
  readonly sessions: SessionIndex
  readonly revocations: Revocations
  readonly missing: MissingRule
}

/** What was found so far: complete for a permitted call, partial for a refused one. */
export interface OutboundFindings {
  target?: RequestTarget
  sifted?: SiftedHeaders
  /** Missing for a host that no route names: such a call carries no identity at all. */
  route?: Route
  /** The trace that the call is part of, as the app says. */
  traceParent?: TraceParent | undefined
  /** What the app carried; missing where nobody asked. */
  reading?: Reading
  cause?: Cause
  /** The original user whose JWT goes along. */
  originalUser?: Assertion
  /** What a link about this call says of its cause; missing where none can be added to what came. */
  passage?: Passage
}

export type OutboundAnswer =
  | { readonly permitted: true; readonly findings: OutboundFindings; readonly reason: string }
  | { readonly permitted: false; readonly findings: OutboundFindings; readonly refusal: Refusal }

/**
 * Decides. Pure: what it asks of the sessions changes nothing there.
 * @throws {Needed} where `missing` answers `ask`.
 */
export function decideOutbound(question: OutboundQuestion): OutboundAnswer {
  const findings: OutboundFindings = {}
  try {
    return { permitted: true, findings, reason: permit(question, findings) }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { permitted: false, findings, refusal: error }
  }
}

function permit(question: OutboundQuestion, findings: OutboundFindings): string {
  const { mesh } = question.snapshot
  const target = (findings.target = readTarget(question.head))
  const sifted = (findings.sifted = siftHeaders(question.head.headers, mesh.claimHeaderNames))
  if (sifted.duplicated !== undefined) {
    throw new Refusal('request_ambiguous', `The request has ${sifted.duplicated} more than once.`)
  }
  findings.traceParent = readTraceParent(sifted.passing)
  const routes = mesh.routesByHost.get(target.host)
  if (routes === undefined) return permitUnlisted(question.snapshot)
  const route = matchRoute(routes, 'match', readPath(routes, 'match', target.originForm))
  if (route === undefined) throw new Refusal('route_not_found', 'No route of this host takes this path.')
  findings.route = route
  if (!mesh.calls.has(route.name)) {
    throw new Refusal('call_not_allowed', 'The mesh file does not let this service call this route (calls).')
  }
  if (route.originalUser === 'none') return 'as the service account; the route takes no original user'
  const reading = (findings.reading = readSources(sifted.claimed, question.sessions, question.missing))
  const cause = (findings.cause = findCause(reading))
  if (cause.kind === 'user') {
    findings.originalUser = notRevoked(cause.assertion, question.revocations)
    const passage = mesh.evidence === 'off' ? undefined : passageOf(cause.session)
    if (passage !== undefined) findings.passage = passage
  }
  requireOriginalUser(route, cause)
  return reasonOf(cause)
}

/** Where a user was carried here without evidence, nothing that is said of the call would show a way. */
function passageOf({ originalUser, isEntry, evidence, sinceMs }: Session): Passage | undefined {
  if (originalUser === undefined || (!isEntry && evidence === undefined)) return undefined
  const { tokenHash, expiresAt } = originalUser
  return { userTokenHash: tokenHash, userTokenEndsAt: expiresAt, sinceMs, evidence }
}

function permitUnlisted(snapshot: Snapshot): string {
  if (snapshot.mesh.egress.unlisted === 'allow') return 'no route names this host: no identity goes along'
  throw new Refusal(
    'egress_denied',
    'No route names this host, and the mesh file lets calls go to routes only.',
  )
}

/** The callee would refuse it too, but only once it knows. */
function notRevoked(assertion: Assertion, revocations: Revocations): Assertion {
  if (revocations.isRevoked(assertion)) {
    throw new Refusal('original_user_revoked', "The original user's assertion was revoked after it came in.")
  }
  requireAllRevocations(revocations)
  return assertion
}

function requireOriginalUser(route: Route, cause: Cause): void {
  if (cause.kind === 'user') {
    requireExplicit(route, cause.source)
    return
  }
  if (cause.kind === 'nobody') {
    throw new Refusal(
      'original_user_required',
      'The request that caused this call came in about nobody, and this route takes such calls only with original_user: none.',
    )
  }
  if (route.originalUser === 'optional') return
  throw new Refusal(
    'original_user_required',
    'This route is called on behalf of a user only, and the app carried none: run it under an OpenTelemetry agent ' +
      'or the preload, or copy x-onbehalf-handle from the request that the call serves.',
  )
}

/** Some routes are worth more than an agent's word, which may be another request's. */
function requireExplicit(route: Route, source: SourceName): void {
  if (route.originalUser !== 'explicit' || !agentSources.has(source)) return
  throw new Refusal(
    'original_user_required',
    'On this route the word of a tracing agent is not enough: load the preload, or copy x-onbehalf-handle from the ' +
      'request that the call serves.',
  )
}

function reasonOf(cause: Cause): string {
  switch (cause.kind) {
    case 'user':
      return `on behalf of the user that ${cause.source} names`
    case 'own':
      return `the request that ${cause.source} names was the calling service's own`
    default:
      return 'as the service account: the app carried no user'
  }
}

/**
 * The headers that go out: what passed the firewall, the credential, the original user. A handle never does.
 * @throws {Refusal} `credential_unavailable` where the app's own Authorization stands where the credential must.
 */
export function outboundHeaders(findings: OutboundFindings, credential: readonly string[]): string[] {
  const passing = headersFor(findings)
  if (credential[0] === 'authorization' && hasAuthorization(passing)) {
    throw new Refusal(
      'credential_unavailable',
      'The app sends an Authorization of its own on this route. Set token_form: header on the route.',
    )
  }
  const { originalUser } = findings
  if (originalUser === undefined) return [...passing, ...credential]
  return [...passing, ...credential, 'X-Pomerium-Jwt-Assertion-For', originalUser.token]
}

/** A Pomerium knows a route by the host of `from` alone, whatever alias the app called. */
function headersFor({ route, sifted }: OutboundFindings): readonly string[] {
  const passing = sifted?.passing ?? []
  if (route?.via !== 'pomerium') return passing
  const { host, port, tls } = route.from
  const name = host.includes(':') ? `[${host}]` : host
  const authority = port === (tls ? 443 : 80) ? name : `${name}:${port}`
  return passing.map((value, i) =>
    i % 2 === 1 && passing[i - 1]?.toLowerCase() === 'host' ? authority : value,
  )
}

function hasAuthorization(headers: readonly string[]): boolean {
  return headers.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'authorization')
}
