// The live sessions of this sidecar: kept while their request runs, then for a while, in bounded memory.
import { createHash } from 'node:crypto'
import { clockSkewSeconds } from '../shared/assertion/verify.ts'
import { Refusal } from '../shared/errors.ts'
import type { Evidence } from '../shared/evidence/evidence.ts'
import type { TraceParent } from '../shared/headers/trace-context.ts'
import type { Assertion } from '../shared/identity.ts'
import { LinkedList, type Link } from '../shared/linked-list.ts'
import type { AssertionSessions, Session, SessionIndex } from '../shared/session.ts'
import { RandomBits } from './random-bits.ts'

/** What other sidecars shared, as an index sees it. */
export interface SharedIndex {
  mayHave(handle: string): boolean
  get(handle: string): Session | undefined
  keep(session: Session): void
}

export interface SessionOptions {
  /** The name of the service; a hash of it tags every handle. */
  readonly service: string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** `0`: no limit. */
  readonly maxBytes: () => number
  readonly lingerMs: () => number
  /** Undefined: nothing is shared. */
  readonly shared?: SharedIndex
  /** For so long a user's token that ended goes on with evidence; default: 0. */
  readonly graceMs?: () => number
}

interface Entry extends Session {
  /** One and the same for all sessions with the same links. */
  evidence: Evidence | undefined
  readonly isUserLost: boolean
  /** When the tokens that it carries are worth nothing any more; milliseconds since the epoch. */
  readonly expiresAtMs: number
  /** Set once the request has ended. */
  lingersUntilMs: number
  /** Its places in the lists below. */
  lingering: Link<Entry> | undefined
  ofAssertion: Link<Entry> | undefined
  ofUserToken: Link<Entry> | undefined
}

interface TokenEntry {
  readonly bytes: number
  carriesUsers: boolean
  /** How many of them are of a user who called directly: all, or none but where the mesh file has changed. */
  directCount: number
  readonly entries: LinkedList<Entry>
  /** When the token is worth nothing any more; milliseconds since the epoch. */
  readonly expiresAtMs: number
}

/** The sessions of a user's token that came as `-For`; those of a user who called directly are known by the assertion. */
interface UserEntry {
  readonly bytes: number
  readonly withoutEvidence: LinkedList<Entry>
  /** By the way that they came; see {@link Evidence.path}. */
  readonly byPath: Map<string, LinkedList<Entry>>
  /** By the text of the links. */
  readonly evidenceByVia: Map<string, { readonly evidence: Evidence; count: number }>
  /** How many of them came with which assertion. */
  readonly countByAssertion: Map<string, number>
}

/** 128 bits: nobody guesses one while it lives. */
const handleBytes = 16

/** What a session costs beside its tokens: the mean of 100,000 on Node 26, with the claims that Pomerium signs. */
const overheadBytes = 2_100

/** What evidence costs beside its links and its path, which are there twice and once; and what each link costs. */
const evidenceOverheadBytes = 800
const linkOverheadBytes = 200

/** What else is known of the request that a session is kept for. */
export interface Origin {
  readonly requestId?: string
  /** There was a user, who could not be verified: calls must not be made as if there had been none. */
  readonly isUserLost?: boolean
  /** Beside an original user. */
  readonly evidence?: Evidence | undefined
  /** Where the request stands in its trace. */
  readonly trace?: TraceParent
}

export interface KeptSession {
  readonly handle: string
  /** To be called once, when the request has ended: from then on the session lingers. */
  end(): void
  /** To be called instead, where the request is not let in after all: nothing of it is left. */
  discard(): void
}

export class Sessions implements SessionIndex {
  readonly #options: SessionOptions
  readonly #tag: string
  readonly #byHandle = new Map<string, Entry>()
  readonly #byAssertion = new Map<string, TokenEntry>()
  readonly #byUserToken = new Map<string, UserEntry>()
  /** In the order in which they began to linger. */
  readonly #lingering = new LinkedList<Entry>()
  /**
   * Assertions that carried users, all of whose sessions have ended. Should one come again without a user, a late job
   * that copies it must still not pass for the account's own call.
   */
  readonly #remembered = new Map<string, TokenEntry>()
  /** Until when some that had to be forgotten for lack of memory could come again. */
  #forgetfulUntilMs = 0
  readonly #random = new RandomBits(handleBytes, 'base64url')
  #bytes = 0

  constructor(options: SessionOptions) {
    this.#options = options
    this.#tag = serviceTag(options.service)
  }

  get size(): number {
    return this.#byHandle.size
  }

  get lingering(): number {
    return this.#lingering.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /**
   * Keeps a session for a request that reaches the app.
   * @param carried the original user of a `-For`.
   * @param of the request.
   * @throws {Refusal} `session_unavailable`: memory is full of sessions whose requests still run.
   */
  keep(caller: Assertion | undefined, carried: Assertion | undefined, of: Origin = {}): KeptSession {
    const originalUser = caller?.kind === 'user' ? caller : carried
    const { evidence } = of
    const sinceMs = this.#makeRoom(
      overheadBytes + (caller?.token.length ?? 0) + (carried?.token.length ?? 0) + bytesOf(evidence),
    )
    const entry: Entry = {
      handle: this.#tag + this.#random.next(),
      requestId: of.requestId ?? '',
      trace: of.trace,
      caller,
      originalUser,
      isAboutNobody: caller === undefined || caller.kind === 'anonymous',
      isEntry: originalUser !== undefined && originalUser === caller,
      evidence,
      sinceMs,
      isUserLost: of.isUserLost === true && originalUser === undefined,
      expiresAtMs: this.#expiryOf(caller, originalUser, evidence),
      lingersUntilMs: Infinity,
      lingering: undefined,
      ofAssertion: undefined,
      ofUserToken: undefined,
    }
    this.#add(entry)
    if (!entry.isUserLost) this.#options.shared?.keep(entry)
    let ended = false
    return {
      handle: entry.handle,
      end: () => {
        if (ended) return
        ended = true
        this.#linger(entry)
      },
      discard: () => {
        if (ended) return
        ended = true
        this.#remove(entry)
      },
    }
  }

  isForeign(handle: string): boolean {
    const isHandle = /^[\w-]{26}$/.test(handle)
    return isHandle && !handle.startsWith(this.#tag) && !this.mayBeShared(handle)
  }

  mayBeShared(handle: string): boolean {
    return this.#options.shared?.mayHave(handle) === true && !this.#byHandle.has(handle)
  }

  byHandle(handle: string): Session | undefined {
    const nowMs = this.#sweptNow()
    const entry = this.#byHandle.get(handle)
    if (entry === undefined) return this.#options.shared?.get(handle)
    return isLive(entry, nowMs) && !entry.isUserLost ? entry : undefined
  }

  byAssertion(token: string): AssertionSessions | undefined {
    const nowMs = this.#sweptNow()
    const sessions = this.#byAssertion.get(token)
    const sample = sessions && firstLive(sessions.entries, nowMs)
    return sample && { sample, carriesUsers: sessions.carriesUsers || nowMs < this.#forgetfulUntilMs }
  }

  byUserToken(token: string): readonly Session[] {
    const nowMs = this.#sweptNow()
    const direct = this.#directLive(token, nowMs)
    const carried = this.#byUserToken.get(token)
    if (carried === undefined) return direct === undefined ? [] : [direct]
    // Who called directly came the way of those who brought no evidence: by none that could be told.
    const bare = direct ?? firstLive(carried.withoutEvidence, nowMs)
    const others = [...carried.byPath.values()].map((entries) => firstLive(entries, nowMs))
    return [bare, ...others].filter((session) => session !== undefined)
  }

  /** A session of a user who called directly, by the token that was the assertion. */
  #directLive(token: string, nowMs: number): Entry | undefined {
    const sessions = this.#byAssertion.get(token)
    if (sessions === undefined || sessions.directCount === 0) return undefined
    return firstLive(sessions.entries, nowMs, (entry) => entry.isEntry)
  }

  cameTogether(assertion: string, userToken: string): boolean {
    if (assertion === userToken) return (this.#byAssertion.get(userToken)?.directCount ?? 0) > 0
    return this.#byUserToken.get(userToken)?.countByAssertion.has(assertion) === true
  }

  /** Drops what has lingered long enough. */
  sweep(): void {
    this.#sweptNow()
  }

  /** Sweeps and tells for which moment: a question and the sweep before it must be of one moment. */
  #sweptNow(): number {
    const nowMs = this.#options.now()
    let oldest = this.#lingering.first
    while (oldest !== undefined && nowMs >= oldest.lingersUntilMs) {
      this.#remove(oldest)
      oldest = this.#lingering.first
    }
    if (this.#remembered.size > 0) this.#forgetExpired(nowMs)
    return nowMs
  }

  #forgetExpired(nowMs: number): void {
    for (const [token, sessions] of this.#remembered) {
      if (nowMs < sessions.expiresAtMs) return
      this.#forget(token, sessions)
    }
  }

  /** What has lingered longest goes first; what is under way stays. @returns for which moment. */
  #makeRoom(bytes: number): number {
    const nowMs = this.#sweptNow()
    const maxBytes = this.#options.maxBytes()
    if (maxBytes === 0 || this.#bytes + bytes <= maxBytes) return nowMs
    let oldest = this.#lingering.first
    while (oldest !== undefined && this.#bytes + bytes > maxBytes) {
      this.#remove(oldest)
      oldest = this.#lingering.first
    }
    for (const [token, sessions] of this.#remembered) {
      if (this.#bytes + bytes <= maxBytes) return nowMs
      this.#forgetfulUntilMs = Math.max(this.#forgetfulUntilMs, sessions.expiresAtMs)
      this.#forget(token, sessions)
    }
    if (this.#bytes + bytes <= maxBytes) return nowMs
    throw new Refusal(
      'session_unavailable',
      'Too many requests are under way (limits.session_bytes). Try again shortly.',
    )
  }

  /** A session carries nothing that the next hop would refuse as expired. */
  #expiryOf(
    caller: Assertion | undefined,
    originalUser: Assertion | undefined,
    evidence: Evidence | undefined,
  ): number {
    if (originalUser === undefined) return Infinity
    const goesWithEvidence = originalUser === caller || evidence !== undefined
    const graceMs = goesWithEvidence ? (this.#options.graceMs?.() ?? 0) : 0
    return (originalUser.expiresAt + clockSkewSeconds) * 1000 + graceMs
  }

  #linger(entry: Entry): void {
    entry.lingersUntilMs = this.#options.now() + this.#options.lingerMs()
    entry.lingering = this.#lingering.add(entry)
  }

  #add(entry: Entry): void {
    this.#bytes += overheadBytes
    this.#byHandle.set(entry.handle, entry)
    if (entry.caller !== undefined) this.#addAssertion(entry.caller, entry)
    if (entry.originalUser !== undefined && !entry.isEntry)
      this.#addUserToken(entry.originalUser.token, entry)
  }

  #addAssertion(caller: Assertion, entry: Entry): void {
    const { token } = caller
    let sessions = this.#byAssertion.get(token)
    if (sessions === undefined) {
      const expiresAtMs = (caller.expiresAt + clockSkewSeconds) * 1000
      const entries = new LinkedList<Entry>()
      sessions = { bytes: token.length, carriesUsers: false, directCount: 0, entries, expiresAtMs }
      this.#byAssertion.set(token, sessions)
      this.#bytes += sessions.bytes
    }
    if (this.#remembered.size > 0) this.#remembered.delete(token)
    entry.ofAssertion = sessions.entries.add(entry)
    if (entry.isEntry) sessions.directCount++
    sessions.carriesUsers ||= entry.originalUser !== undefined || entry.isUserLost
  }

  #addUserToken(token: string, entry: Entry): void {
    let sessions = this.#byUserToken.get(token)
    if (sessions === undefined) {
      sessions = {
        bytes: token.length,
        withoutEvidence: new LinkedList(),
        byPath: new Map(),
        evidenceByVia: new Map(),
        countByAssertion: new Map(),
      }
      this.#byUserToken.set(token, sessions)
      this.#bytes += sessions.bytes
    }
    this.#addEvidence(sessions, entry)
    entry.ofUserToken = wayOf(sessions, entry).add(entry)
    count(sessions, entry.caller?.token ?? '', 1)
  }

  #addEvidence(sessions: UserEntry, entry: Entry): void {
    const { evidence } = entry
    if (evidence === undefined) return
    const known = sessions.evidenceByVia.get(evidence.via)
    if (known === undefined) {
      sessions.evidenceByVia.set(evidence.via, { evidence, count: 1 })
      this.#bytes += bytesOf(evidence)
      return
    }
    known.count++
    entry.evidence = known.evidence
  }

  #removeEvidence({ evidenceByVia }: UserEntry, { evidence }: Entry): void {
    const known = evidence && evidenceByVia.get(evidence.via)
    if (known === undefined || --known.count > 0) return
    evidenceByVia.delete(known.evidence.via)
    this.#bytes -= bytesOf(known.evidence)
  }

  #remove(entry: Entry): void {
    if (entry.lingering !== undefined) this.#lingering.remove(entry.lingering)
    this.#byHandle.delete(entry.handle)
    this.#bytes -= overheadBytes
    if (entry.caller !== undefined) this.#removeAssertion(entry.caller, entry)
    if (entry.ofUserToken !== undefined) this.#removeUserToken(entry.originalUser?.token ?? '', entry)
  }

  #removeAssertion({ token, kind }: Assertion, entry: Entry): void {
    const sessions = this.#byAssertion.get(token)
    if (sessions === undefined || entry.ofAssertion === undefined) return
    sessions.entries.remove(entry.ofAssertion)
    if (entry.isEntry) sessions.directCount--
    if (sessions.entries.size > 0) return
    if (kind === 'service_account' && sessions.carriesUsers) this.#remembered.set(token, sessions)
    else this.#forget(token, sessions)
  }

  #forget(token: string, sessions: TokenEntry): void {
    this.#remembered.delete(token)
    this.#byAssertion.delete(token)
    this.#bytes -= sessions.bytes
  }

  #removeUserToken(token: string, entry: Entry): void {
    const sessions = this.#byUserToken.get(token)
    if (sessions === undefined || entry.ofUserToken === undefined) return
    const entries = wayOf(sessions, entry)
    entries.remove(entry.ofUserToken)
    if (entry.evidence !== undefined && entries.size === 0) sessions.byPath.delete(entry.evidence.path)
    this.#removeEvidence(sessions, entry)
    count(sessions, entry.caller?.token ?? '', -1)
    if (sessions.withoutEvidence.size > 0 || sessions.byPath.size > 0) return
    this.#byUserToken.delete(token)
    this.#bytes -= sessions.bytes
  }
}

/** The sessions of this user's token that came the same way; a list of their own, where they are the first. */
function wayOf(sessions: UserEntry, { evidence }: Entry): LinkedList<Entry> {
  if (evidence === undefined) return sessions.withoutEvidence
  let entries = sessions.byPath.get(evidence.path)
  if (entries === undefined) sessions.byPath.set(evidence.path, (entries = new LinkedList()))
  return entries
}

function count({ countByAssertion }: UserEntry, assertion: string, change: 1 | -1): void {
  const counted = (countByAssertion.get(assertion) ?? 0) + change
  if (counted > 0) countByAssertion.set(assertion, counted)
  else countByAssertion.delete(assertion)
}

function bytesOf(evidence: Evidence | undefined): number {
  if (evidence === undefined) return 0
  const links = evidence.revocables.length * linkOverheadBytes
  return evidence.via.length + 2 * evidence.path.length + links + evidenceOverheadBytes
}

/** Four characters that tell this service's handles from another's. */
export function serviceTag(service: string): string {
  return createHash('sha256').update(service).digest('base64url').slice(0, 4)
}

function isLive(entry: Entry, nowMs: number): boolean {
  return nowMs < entry.expiresAtMs && nowMs < entry.lingersUntilMs
}

/** Nearly always the first: what has ended is swept, and only what expired while its request runs is passed over. */
function firstLive(
  entries: LinkedList<Entry>,
  nowMs: number,
  isWanted: (entry: Entry) => boolean = () => true,
): Entry | undefined {
  for (const entry of entries) {
    if (isLive(entry, nowMs) && isWanted(entry)) return entry
  }
  return undefined
}
