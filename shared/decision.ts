// The one immutable record of a decision: logs, metrics and the admin page are all derived from it.
import { ownText } from './own-text.ts'
import type { Mesh, Route } from './config/mesh.ts'
import type { Refusal, RefusalCode } from './errors.ts'
import type { Evidence } from './evidence/evidence.ts'
import type { TraceParent } from './headers/trace-context.ts'
import type { Assertion, Principal, PrincipalKind } from './identity.ts'
import type { Session } from './session.ts'
import type { Cause, Source, SourceName } from './sources.ts'
import type { RequestTarget } from './target.ts'

/** A principal as it is recorded: never with its token. */
export interface RecordedPrincipal extends Principal {
  readonly kind: PrincipalKind
}

/** What one source said of the cause of a call. */
export interface RecordedSource {
  readonly name: SourceName
  /** `ended`: the request that it names has ended, or never came here. */
  readonly says: 'user' | 'own' | 'nobody' | 'ended'
  readonly user: Principal | undefined
  /** The inbound request that it names. */
  readonly requestId: string | undefined
}

export interface Decision {
  readonly requestId: string
  /** 32 hexadecimal digits: of the trace that the request is part of, as whoever sent it says. Nothing follows from it. */
  readonly traceId: string | undefined
  /** 16 hexadecimal digits: of the sidecar's own span about it, where it records one. */
  readonly spanId: string | undefined
  /** Whether the trace is sampled; undefined without one. */
  readonly isSampled: boolean | undefined
  readonly direction: 'inbound' | 'outbound'
  /** Milliseconds since the epoch. */
  readonly atMs: number
  readonly service: string
  readonly mode: 'enforce' | 'report'
  /** `refused` in report mode was let through all the same, without any unverified identity. */
  readonly outcome: 'allowed' | 'refused'
  readonly code: RefusalCode | undefined
  /** What a person needs to understand the outcome; never a token or a claim. */
  readonly reason: string
  /** What was found and what was expected, for whoever runs the sidecar; of an unverified token only `iss` and `aud`, of an unverified link also `sub`, `route` and times. */
  readonly detail: string | undefined
  readonly method: string
  /** In which it came; undefined for what passes as bytes. */
  readonly protocol: Protocol | undefined
  /** The host that was asked for. */
  readonly host: string
  /** The port that was asked for; undefined where none was. */
  readonly port: number | undefined
  /** Without query. */
  readonly path: string
  readonly route: string | undefined
  readonly peer: string
  /** The SPIFFE id that the peer proved to have, by the certificate of its connection. */
  readonly certificate: string | undefined
  readonly caller: RecordedPrincipal | undefined
  readonly originalUser: RecordedPrincipal | undefined
  /** The accounts passed on the way here, oldest first, by verified evidence. */
  readonly chain: readonly string[] | undefined
  /** `txn` of the evidence: the same at every hop. */
  readonly txn: string | undefined
  /** Outbound: what caused the call, where that could be told. */
  readonly cause: Cause['kind'] | undefined
  /** Outbound: which source said so, or that there was none. */
  readonly source: SourceName | 'none' | undefined
  /** Outbound: what the app carried, the first few, in the order in which sources count; undefined where nobody asked. */
  readonly sources: readonly RecordedSource[] | undefined
}

/** In what a request came. */
export interface Protocol {
  readonly scheme: 'http' | 'https'
  /** `1.0`, `1.1` or `2`. */
  readonly version: string
}

/** What one side knows of a request when it has decided. */
export interface DecisionFacts {
  readonly requestId: string
  readonly trace?: TraceParent | undefined
  /** Whether the span that {@link trace} names is the sidecar's own. */
  readonly isOwnSpan?: boolean
  readonly direction: 'inbound' | 'outbound'
  readonly atMs: number
  readonly mesh: Pick<Mesh, 'service' | 'mode'>
  readonly refusal: Refusal | undefined
  /** Why it was permitted, where it was. */
  readonly reason: string
  readonly method: string
  readonly protocol?: Protocol | undefined
  readonly target:
    | (Pick<RequestTarget, 'host' | 'originForm'> & Partial<Pick<RequestTarget, 'port'>>)
    | undefined
  readonly route: Route | undefined
  readonly peer: string
  readonly certificate?: string | undefined
  readonly caller: Assertion | undefined
  readonly originalUser: Assertion | undefined
  readonly evidence?: Evidence | undefined
  readonly cause?: Cause | undefined
  readonly sources?: readonly Source[] | undefined
}

export function makeDecision(facts: DecisionFacts): Decision {
  const { refusal, mesh, target, requestId, trace, direction, atMs, method, peer, cause } = facts
  return Object.freeze({
    requestId,
    traceId: trace?.traceId,
    spanId: facts.isOwnSpan === true ? trace?.spanId : undefined,
    isSampled: trace?.isSampled,
    direction,
    atMs,
    service: mesh.service,
    mode: mesh.mode,
    outcome: refusal === undefined ? 'allowed' : 'refused',
    code: refusal?.code,
    reason: refusal?.message ?? facts.reason,
    detail: refusal?.detail,
    method,
    protocol: facts.protocol,
    host: ownText(target?.host ?? ''),
    port: target?.port,
    path: ownText(recordedPath(target?.originForm)),
    route: facts.route?.name,
    peer,
    certificate: facts.certificate,
    caller: recordPrincipal(facts.caller),
    originalUser: recordPrincipal(facts.originalUser),
    chain: facts.evidence?.accounts,
    txn: facts.evidence?.transactionId,
    cause: cause?.kind,
    source: cause?.kind === 'none' ? 'none' : cause?.source,
    sources: facts.sources?.slice(0, maxRecordedSources).map(recordSource),
  })
}

/** Whether an id is that of this request, as a refusal names it, or of its trace. */
export function isAbout({ requestId, traceId }: Decision, id: string): boolean {
  return requestId === id || traceId === id
}

/** The inbound requests that a call's sources name. */
export function causesOf({ sources = [] }: Decision): string[] {
  return sources.flatMap(({ requestId = '' }) => (requestId === '' ? [] : [requestId]))
}

function recordSource({ name, session }: Source): RecordedSource {
  return {
    name,
    says: session === undefined ? 'ended' : kindOf(session),
    user: session?.originalUser?.principal,
    requestId: session?.requestId,
  }
}

function kindOf(session: Session): RecordedSource['says'] {
  if (session.originalUser !== undefined) return 'user'
  return session.isAboutNobody ? 'nobody' : 'own'
}

function recordPrincipal(assertion: Assertion | undefined): RecordedPrincipal | undefined {
  if (assertion === undefined) return undefined
  const { issuer, subject } = assertion.principal
  return { issuer, subject, kind: assertion.kind }
}

/** An honest app carries five at most; a list of baggage can hold thousands, and records are kept. */
const maxRecordedSources = 8

const maxPathLength = 1_024

/**
 * What of a target may be recorded: no query and no fragment, where secrets travel, and no more than a person reads.
 * Empty where no target was read: what is no target can hold anything.
 */
function recordedPath(originForm = ''): string {
  const length = Math.min(originForm.length, maxPathLength)
  for (let i = 0; i < length; i++) {
    const code = originForm.charCodeAt(i)
    if (code === question || code === hash) return originForm.slice(0, i)
  }
  return originForm.slice(0, length)
}

const question = 0x3f
const hash = 0x23
