// Sessions that a service shares: kept in the store, sealed under their handles, and verified anew by whoever redeems one.
import { clockSkewSeconds } from '../shared/assertion/verify.ts'
import { BoundedMap } from '../shared/bounded-map.ts'
import type { Mesh } from '../shared/config/mesh.ts'
import { Refusal } from '../shared/errors.ts'
import type { Evidence } from '../shared/evidence/evidence.ts'
import type { Assertion } from '../shared/identity.ts'
import type { Session } from '../shared/session.ts'
import type { Asked } from './asking.ts'
import type { SessionStatements } from './session-statements.ts'
import type { Members } from './statement.ts'
import { openSession, sealSession, sessionName } from './session-seal.ts'
import { serviceTag } from './sessions.ts'
import { within } from './store/deadline.ts'
import { deadlineMs, type Store } from './store/store.ts'

/** For how long a request that came in with no assertion is remembered as nobody's. */
const nobodysLifeMs = 5 * 60_000
/** So long a handle that nobody shared is not asked for again. */
const absenceMs = 250
const maxAbsent = 10_000
/** Characters of redeemed sessions that are kept. */
const maxRedeemed = 8 * 1024 * 1024
const redeemedOverhead = 2_000
/** Look-ups under way; who asks for ever new handles waits for nobody's answer but his own. */
const maxLookups = 256

const keyOf = (handle: string): string => `session:${sessionName(handle)}`

/** What became of it; the labels of the metric. */
export type SharedSessionOutcome = 'kept' | 'not_kept' | 'redeemed' | 'absent' | 'rejected' | 'unavailable'

export interface SharedSessionsOptions {
  readonly store: Store
  readonly mesh: () => Mesh
  readonly statements: SessionStatements
  /**
   * Verifies an original user's token anew, and the evidence that came with it.
   * @param spentMs for so long the store was asked already.
   * @throws {Refusal}
   */
  readonly verify: (carried: CarriedUser, spentMs: number) => Promise<VerifiedUser>
  /** What verdicts were made under: where it is another one, they are made anew. */
  readonly basis: () => object
  readonly count: (outcome: SharedSessionOutcome) => void
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** An original user as another sidecar shared it. */
export interface CarriedUser {
  readonly token: string
  /** `x-onbehalf-via`, but for the entry, where evidence begins. */
  readonly via: string | undefined
  readonly isEntry: boolean
  /** Which service took the request. */
  readonly service: string
}

export interface VerifiedUser {
  readonly originalUser: Assertion
  readonly evidence: Evidence | undefined
}

/** A session as it is sealed. */
interface Sealed {
  readonly requestId: string
  readonly kind: 'user' | 'own' | 'nobody'
  readonly userToken?: string
  readonly isEntry: boolean
  readonly via?: string | undefined
  readonly sinceMs: number
}

interface Redeemed {
  readonly session: Session
  /** To be verified again. */
  readonly sealed: Sealed
  readonly basis: object
  /** Milliseconds since the epoch. */
  readonly untilMs: number
}

export class SharedSessions {
  readonly #options: SharedSessionsOptions
  readonly #redeemed = new BoundedMap<string, Redeemed>(maxRedeemed)
  readonly #absentSinceMs = new BoundedMap<string, number>(maxAbsent)
  readonly #lookups = new Map<string, Promise<Asked>>()
  /** The services whose handles may be redeemed here, by their tags; made for one mesh. */
  #sharers: { readonly mesh: Mesh; readonly byTag: ReadonlyMap<string, string> } | undefined

  constructor(options: SharedSessionsOptions) {
    this.#options = options
  }

  /** Whether a handle, by its tag, is of a service whose sessions may be redeemed here. */
  mayHave(handle: string): boolean {
    return this.#sharerOf(handle) !== undefined
  }

  /** What was redeemed before, under the keys and the configuration of now. */
  get(handle: string): Session | undefined {
    const known = this.#known(handle)
    return known?.basis === this.#options.basis() ? known?.session : undefined
  }

  /** Shares a session, if this service does so. Nobody waits for it: while the store is away, it is this sidecar's alone. */
  keep(session: Session): void {
    const { store, mesh, statements, count, now } = this.#options
    const { service, shareWith } = mesh()
    if (shareWith.size === 0 || store.kind === 'memory') return
    const { handle, requestId, originalUser, isEntry, evidence, sinceMs } = session
    const kind = originalUser !== undefined ? 'user' : session.isAboutNobody ? 'nobody' : 'own'
    const userToken = originalUser && { userToken: originalUser.token }
    const sealed: Sealed = { requestId, kind, ...userToken, isEntry, via: evidence?.via, sinceMs }
    const signed = statements.sign(service, sinceMs, { session: { ...sealed, name: sessionName(handle) } })
    if (signed === undefined) {
      count('not_kept')
      return
    }
    const text = sealSession(handle, service, signed)
    const lifeMs = this.#endOf(originalUser ?? session.caller, session) - now()
    store.set(keyOf(handle), text, lifeMs).then(
      () => count('kept'),
      () => count('not_kept'),
    )
  }

  /**
   * Looks for a session that another sidecar shared; what is found is had by {@link get} then.
   * @param leftMs for so long the store may be asked.
   */
  redeem(handle: string, leftMs = deadlineMs): Promise<Asked> {
    const service = this.#sharerOf(handle)
    if (service === undefined) return Promise.resolve('unknown')
    // A clock that was set back must not keep us from asking.
    const absentMs = Math.abs(this.#options.now() - (this.#absentSinceMs.get(handle) ?? -Infinity))
    if (absentMs < absenceMs) return Promise.resolve('unknown')
    const known = this.#lookups.get(handle)
    if (known !== undefined) return known
    if (this.#lookups.size >= maxLookups) return Promise.resolve('unavailable')
    const lookup = this.#redeem(handle, service, leftMs).finally(() => this.#lookups.delete(handle))
    this.#lookups.set(handle, lookup)
    return lookup
  }

  async #redeem(handle: string, service: string, leftMs: number): Promise<Asked> {
    const { store, count, now } = this.#options
    const known = this.#known(handle)
    if (known !== undefined) return this.#accept(handle, service, known.sealed, deadlineMs - leftMs)
    const startedMs = performance.now()
    let text: string | undefined
    try {
      text = await within(leftMs, store.get(keyOf(handle)))
    } catch {
      count('unavailable')
      return 'unavailable'
    }
    const sealed = text === undefined ? undefined : this.#open(handle, service, text)
    if (sealed === undefined) {
      // Altered or not there, it names no session; a writer of the store can take sessions away, and make none.
      count(text === undefined ? 'absent' : 'rejected')
      this.#absentSinceMs.set(handle, now())
      return 'unknown'
    }
    const spentMs = deadlineMs - leftMs + performance.now() - startedMs
    return this.#accept(handle, service, sealed, spentMs)
  }

  /** Sealed by whoever has the handle, which an app can be made to carry; so it must be signed by the service, too. */
  #open(handle: string, service: string, text: string): Sealed | undefined {
    const signed = openSession(handle, service, text)
    const members = signed === undefined ? undefined : this.#options.statements.read(service, signed)
    return members && parse(members['session'], handle)
  }

  async #accept(handle: string, service: string, sealed: Sealed, spentMs: number): Promise<Asked> {
    const { verify, basis, count } = this.#options
    const { requestId, kind, userToken: token, isEntry, via, sinceMs } = sealed
    let verified: VerifiedUser | undefined
    try {
      if (token !== undefined) verified = await verify({ token, via, isEntry, service }, spentMs)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const isUnavailable = error.status === 503
      count(isUnavailable ? 'unavailable' : 'rejected')
      return isUnavailable ? 'unavailable' : 'unknown'
    }
    const { originalUser, evidence } = verified ?? {}
    const session: Session = {
      handle,
      requestId,
      caller: undefined,
      originalUser,
      isAboutNobody: kind === 'nobody',
      isEntry,
      evidence,
      sinceMs,
    }
    const untilMs = this.#endOf(originalUser, session)
    const weight = redeemedOverhead + (token?.length ?? 0) + (evidence?.via.length ?? 0)
    this.#redeemed.set(handle, { session, sealed, basis: basis(), untilMs }, weight)
    count('redeemed')
    return 'found'
  }

  #known(handle: string): Redeemed | undefined {
    const known = this.#redeemed.get(handle)
    return known !== undefined && this.#options.now() < known.untilMs ? known : undefined
  }

  /** When what an assertion is about is worth nothing any more: without evidence there is no grace. */
  #endOf(assertion: Assertion | undefined, { isEntry, evidence }: Session): number {
    if (assertion === undefined) return this.#options.now() + nobodysLifeMs
    const mesh = this.#options.mesh()
    const goesWithEvidence = mesh.evidence !== 'off' && (isEntry || evidence !== undefined)
    const graceMs = goesWithEvidence ? mesh.originalUserGraceMs : 0
    return (assertion.expiresAt + clockSkewSeconds) * 1000 + graceMs
  }

  #sharerOf(handle: string): string | undefined {
    const { store, mesh: meshNow } = this.#options
    if (store.kind === 'memory') return undefined
    const mesh = meshNow()
    if (this.#sharers?.mesh !== mesh) {
      const services = mesh.shareWith.size > 0 ? [mesh.service, ...mesh.sharedBy] : [...mesh.sharedBy]
      this.#sharers = { mesh, byTag: new Map(services.map((service) => [serviceTag(service), service])) }
    }
    return /^[\w-]{26}$/.test(handle) ? this.#sharers.byTag.get(handle.slice(0, 4)) : undefined
  }
}

/** Of another version, or signed for another handle: it names nobody. */
function parse(given: unknown, handle: string): Sealed | undefined {
  const { name, requestId, kind, userToken, isEntry, via, sinceMs } = Object(given) as Members
  if (name !== sessionName(handle) || typeof requestId !== 'string') return undefined
  if (typeof isEntry !== 'boolean' || typeof sinceMs !== 'number') return undefined
  if (via !== undefined && typeof via !== 'string') return undefined
  const origin = { requestId, isEntry, via, sinceMs }
  if (kind === 'user') return typeof userToken === 'string' ? { ...origin, kind, userToken } : undefined
  return kind === 'own' || kind === 'nobody' ? { ...origin, kind } : undefined
}
