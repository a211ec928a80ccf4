// Finds on whose behalf an app makes a call: from what the app, an agent or the preload carried through it.
// All sources that are present must agree, and a lost user never becomes more authority.
import { Refusal } from './errors.ts'
import type { ClaimedIdentity } from './headers/firewall.ts'
import { Needed, type MissingRule, type Need } from './needed.ts'
import { samePrincipal, type Assertion } from './identity.ts'
import type { AssertionSessions, Session, SessionIndex } from './session.ts'

/** Where a user was found, in the order in which sources count. */
export type SourceName = 'assertion_for' | 'assertion' | 'handle' | 'tracestate' | 'baggage'

/** Those that an agent carries by itself; the others were copied by the app, or by the preload in its place. */
export const agentSources: ReadonlySet<SourceName> = new Set(['tracestate', 'baggage'])

/** What the preload says in place of a handle, where it knows that a call is nobody's. */
const unknownHandle = 'unknown'

/** What the sources say together. */
export type Cause =
  /** On behalf of a user. */
  | {
      readonly kind: 'user'
      readonly source: SourceName
      readonly assertion: Assertion
      /** Of the request that caused it. */
      readonly session: Session
    }
  /** Caused by a request that was a service account's own. */
  | { readonly kind: 'own'; readonly source: SourceName }
  /** Caused by a request that came in about nobody. */
  | { readonly kind: 'nobody'; readonly source: SourceName }
  /** The app says nothing: a call of its own, or an app that carries nothing. */
  | { readonly kind: 'none' }

/** A source that names a request by itself; without a session the request has ended, or never came here. */
export interface Source {
  readonly name: SourceName
  readonly session: Session | undefined
}

/** All that a call carries about its cause, looked up. */
export interface Reading {
  /** In the order in which they count. */
  readonly sources: readonly Source[]
  /** A service account's assertion is one string for all users whom it carries: copied, it names no user. */
  readonly shared: AssertionSessions | undefined
  /** The preload says that this call serves several requests, or that nobody can tell which. */
  readonly isUnknown: boolean
  /** Whether every source names a request that came in with the shared assertion, where there is one. */
  readonly cameTogether: boolean
  /** Only a user's token says who it is, and requests with this token came here by several ways. */
  readonly hasSeveralWays: boolean
}

/**
 * Looks up what an app carried. Another service's handle is no source: this sidecar cannot know what it stands for.
 * @throws {Refusal} `session_unavailable`: another sidecar may have shared it, and cannot be asked.
 * @throws {Needed} where `missing` answers `ask`.
 */
export function readSources(claimed: ClaimedIdentity, index: SessionIndex, missing: MissingRule): Reading {
  const came = claimed.assertion === undefined ? undefined : index.byAssertion(claimed.assertion)
  const shared = came?.sample.caller?.kind === 'service_account' ? came : undefined
  const sources: Source[] = []
  if (claimed.assertion !== undefined && shared === undefined) {
    sources.push({ name: 'assertion', session: came?.sample })
  }
  const add = (name: SourceName, handle: string) => {
    if (!index.isForeign(handle)) sources.push({ name, session: sessionOf(handle, index, missing) })
  }
  const isUnknown = claimed.handle === unknownHandle
  if (claimed.handle !== undefined && !isUnknown) add('handle', claimed.handle)
  for (const handle of claimed.tracestate) add('tracestate', handle)
  for (const handle of claimed.baggage) add('baggage', handle)
  const ways = waysOf(claimed, shared, index)
  const told = sources.find(({ session }) => session !== undefined)?.session
  if (claimed.assertionFor !== undefined) {
    const session = ways.find((way) => told !== undefined && sameWay(way, told)) ?? ways[0]
    sources.unshift({ name: 'assertion_for', session })
  }
  const cameTogether = shared === undefined || sources.every((source) => cameWith(source, claimed, index))
  return { sources, shared, isUnknown, cameTogether, hasSeveralWays: told === undefined && ways.length > 1 }
}

/** The ways by which requests with a copied `-For` came: those by who sent the assertion beside it, where one was copied. */
function waysOf(
  { assertionFor }: ClaimedIdentity,
  shared: AssertionSessions | undefined,
  index: SessionIndex,
): readonly Session[] {
  if (assertionFor === undefined) return []
  const ways = index.byUserToken(assertionFor)
  const caller = shared?.sample.caller?.principal
  const byCaller = ways.filter((way) => caller && way.caller && samePrincipal(way.caller.principal, caller))
  return byCaller.length > 0 ? byCaller : ways
}

function sessionOf(handle: string, index: SessionIndex, missing: MissingRule): Session | undefined {
  const session = index.byHandle(handle)
  if (session !== undefined || !index.mayBeShared(handle)) return session
  const need: Need = { kind: 'session', handle }
  const answer = missing(need)
  if (answer === 'ask') throw new Needed(need)
  if (answer === 'unknown') return undefined
  throw new Refusal(
    'session_unavailable',
    'The request that this call belongs to may have come to another pod, and the store cannot be asked now. Try again shortly.',
  )
}

/**
 * @throws {Refusal} `original_user_lost`: what the app carried names no live session;
 * `original_user_ambiguous`: the sources disagree, or there is only a service account's assertion, which all of
 * its users share.
 */
export function findCause({ sources, shared, isUnknown, cameTogether, hasSeveralWays }: Reading): Cause {
  const first = sources[0]
  if (first === undefined) return shared === undefined ? { kind: 'none' } : causeOfShared(shared)
  if (isUnknown && agentSources.has(first.name)) throw unknownRequest()
  const session = liveSession(sources, shared)
  if (hasSeveralWays) throw severalWays()
  if (!cameTogether || sources.some((source) => !sameCause(source.session, session))) throw disagreement()
  return causeOf(session, first.name)
}

/** The session of the first source, if every source has one. */
function liveSession(sources: readonly Source[], shared: AssertionSessions | undefined): Session {
  const dead = sources.filter((source) => source.session === undefined).length
  const session = sources[0]?.session
  if (dead === 0 && session !== undefined) return session
  if (dead < sources.length || shared !== undefined) throw disagreement()
  throw new Refusal(
    'original_user_lost',
    'The request that this call belongs to has ended, or never came here, so its user cannot be carried on. ' +
      'Make the call while the request runs, raise timeouts.linger, or, for another pod, share sessions (share_with).',
  )
}

/** Alone, a shared assertion says only that there is no user, and that only if none of its requests ever had one. */
function causeOfShared(shared: AssertionSessions): Cause {
  if (!shared.carriesUsers) return { kind: 'own', source: 'assertion' }
  throw new Refusal(
    'original_user_ambiguous',
    'X-Pomerium-Jwt-Assertion alone is shared by all users of the calling service. ' +
      'Copy X-Pomerium-Jwt-Assertion-For or x-onbehalf-handle beside it.',
  )
}

function causeOf(session: Session, source: SourceName): Cause {
  const { originalUser } = session
  if (originalUser !== undefined) return { kind: 'user', source, assertion: originalUser, session }
  return { kind: session.isAboutNobody ? 'nobody' : 'own', source }
}

/** The same user by the same entry route and the same way from there, or the same absence of a user. */
function sameCause(a: Session | undefined, b: Session): boolean {
  if (a === undefined) return false
  if (a.originalUser === undefined || b.originalUser === undefined) {
    return a.originalUser === b.originalUser && a.isAboutNobody === b.isAboutNobody
  }
  const sameUser = samePrincipal(a.originalUser.principal, b.originalUser.principal)
  return sameUser && a.originalUser.audience === b.originalUser.audience && sameWay(a, b)
}

/** By the calls made, and not by the links about them: those of two replicas differ. */
function sameWay(a: Session, b: Session): boolean {
  return a.evidence?.path === b.evidence?.path
}

/** Whether a source names a request that came in with the copied assertion. */
function cameWith(source: Source, claimed: ClaimedIdentity, index: SessionIndex): boolean {
  if (source.name === 'assertion_for')
    return index.cameTogether(claimed.assertion ?? '', claimed.assertionFor ?? '')
  return source.session?.caller?.token === claimed.assertion
}

/** An agent then names whoever was first. */
function unknownRequest(): Refusal {
  return new Refusal(
    'original_user_ambiguous',
    'This call serves several requests, or none that can be told, and only a tracing agent names one. ' +
      'Copy x-onbehalf-handle from the one request that it serves.',
  )
}

function severalWays(): Refusal {
  return new Refusal(
    'original_user_ambiguous',
    'Requests of this user came here by several ways, and X-Pomerium-Jwt-Assertion-For alone does not say which of ' +
      'them this call serves. Copy x-onbehalf-handle from it too.',
  )
}

function disagreement(): Refusal {
  return new Refusal(
    'original_user_ambiguous',
    'What this call carries belongs to different requests. Copy all identity headers from the one request that it serves.',
  )
}
