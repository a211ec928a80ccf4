// Finds on whose behalf an app makes a call: from what the app, an agent or the preload carried through it.
// All sources that are present must agree, and a lost user never becomes more authority.
import { Refusal } from './errors.ts'
import type { ClaimedIdentity } from './headers/firewall.ts'
import { samePrincipal, type Assertion } from './identity.ts'
import type { AssertionSessions, Session, SessionIndex } from './session.ts'

/** Where a user was found, in the order in which sources count. */
export type SourceName = 'assertion_for' | 'assertion' | 'handle'

/** What the sources say together. */
export type Cause =
  /** On behalf of a user. */
  | { readonly kind: 'user'; readonly source: SourceName; readonly assertion: Assertion }
  /** Caused by a request that was a service account's own. */
  | { readonly kind: 'own'; readonly source: SourceName }
  /** Caused by a request that came in about nobody. */
  | { readonly kind: 'nobody'; readonly source: SourceName }
  /** The app says nothing: a call of its own, or an app that does not copy. */
  | { readonly kind: 'none' }

/** A source that names a request by itself; without a session the request has ended, or never came here. */
interface Source {
  readonly name: SourceName
  readonly session: Session | undefined
}

/**
 * @throws {Refusal} `original_user_lost`: what the app carried names no live session;
 * `original_user_ambiguous`: the sources disagree, or there is only a service account's assertion, which all of
 * its users share.
 */
export function findCause(claimed: ClaimedIdentity, index: SessionIndex): Cause {
  const came = claimed.assertion === undefined ? undefined : index.byAssertion(claimed.assertion)
  // A service account's assertion is one string for all users whom it carries: copied, it names no user.
  const shared = came?.sample.caller?.kind === 'service_account' ? came : undefined
  const sources = readSources(claimed, index, came, shared)
  const first = sources[0]
  if (first === undefined) return shared === undefined ? { kind: 'none' } : causeOfShared(shared)
  const session = liveSession(sources, shared)
  if (sources.some((source) => !sameCause(source.session, session))) throw disagreement()
  if (shared !== undefined && !sources.every((source) => cameWith(source, claimed, index)))
    throw disagreement()
  return causeOf(session, first.name)
}

function readSources(
  claimed: ClaimedIdentity,
  index: SessionIndex,
  came: AssertionSessions | undefined,
  shared: AssertionSessions | undefined,
): readonly Source[] {
  const sources: Source[] = []
  if (claimed.assertionFor !== undefined) {
    sources.push({ name: 'assertion_for', session: index.byUserToken(claimed.assertionFor) })
  }
  if (claimed.assertion !== undefined && shared === undefined) {
    sources.push({ name: 'assertion', session: came?.sample })
  }
  if (claimed.handle !== undefined && !index.isForeign(claimed.handle)) {
    sources.push({ name: 'handle', session: index.byHandle(claimed.handle) })
  }
  return sources
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
      'Make the call while the request runs, or raise timeouts.linger.',
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
  if (session.originalUser !== undefined) return { kind: 'user', source, assertion: session.originalUser }
  return { kind: isNobody(session) ? 'nobody' : 'own', source }
}

function isNobody(session: Session): boolean {
  return session.caller === undefined || session.caller.kind === 'anonymous'
}

/** The same user by the same entry route, or the same absence of one. */
function sameCause(a: Session | undefined, b: Session): boolean {
  if (a === undefined) return false
  if (a.originalUser === undefined || b.originalUser === undefined) {
    return a.originalUser === b.originalUser && isNobody(a) === isNobody(b)
  }
  const sameUser = samePrincipal(a.originalUser.principal, b.originalUser.principal)
  return sameUser && a.originalUser.audience === b.originalUser.audience
}

/** Whether a source names a request that came in with the copied assertion. */
function cameWith(source: Source, claimed: ClaimedIdentity, index: SessionIndex): boolean {
  if (source.name === 'handle') return source.session?.caller?.token === claimed.assertion
  return index.cameTogether(claimed.assertion ?? '', claimed.assertionFor ?? '')
}

function disagreement(): Refusal {
  return new Refusal(
    'original_user_ambiguous',
    'What this call carries belongs to different requests. Copy all identity headers from the one request that it serves.',
  )
}
