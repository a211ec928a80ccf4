// Keeps what is revoked here and what is revoked elsewhere the same: hears, reads all now and then, and writes back what
// was lost. Only ever adds: nothing that is missing elsewhere is forgotten here.
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import { memberOf, parseEntry, parseMessage, type RevocationEntry } from '../shared/revocation.ts'
import type { RevocationList } from './revocations.ts'
import { revocationsName, type Reach, type WriteRevocations } from './revocation-writer.ts'
import { StoreOverfull, StoreUnavailable, type Scored, type Store } from './store/store.ts'
import type { Log, LogFields } from './telemetry/log.ts'

const startMs = 1_000
/** Within which a revocation whose message was lost is found. */
export const reconcileMs = 5_000
/** Longer where there are many, for each is read by every sidecar: 10,000 take no longer. */
const msForEach = 0.5
/** Who may not write is not asked to, until the store is another one or this is over. */
const deniedMs = 5 * 60 * 1000
/** So many are looked at before others have their turn. */
const stepEntries = 2_000
/** A store that does not answer is asked again so soon: while it is known to be away, that costs nothing. */
const retryMs = 1_000
/** Whoever makes us read everything anew, by gap after gap, makes us do so no more often. */
const leastMs = 250
/** And to no more than a fifth of our time; but a store that is slow does not keep us from it. */
const restFactor = 5
/** The same complaint is not logged more often. */
const complaintMs = 60_000

/** Why an entry was not taken. */
export type Rejection = 'malformed' | 'too_many'

export interface RevocationSyncOptions {
  readonly store: Store
  readonly list: RevocationList
  readonly write: WriteRevocations
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** From 0 to 1: spreads the sidecars of a mesh over the interval. */
  readonly random: () => number
  /** As `revocation_max_age`; `0`: none. What is to be heard within that time is asked for more often. */
  readonly maxAgeMs: () => number
  readonly onRejected: (reason: Rejection) => void
}

/** Live state: to be closed. */
export class RevocationSync {
  readonly #options: RevocationSyncOptions
  /** Revoked here and not yet told to the others. */
  readonly #untold = new Map<string, RevocationEntry>()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #isWanted = false
  #closed = false
  readonly #closing = new AbortController()
  #deniedUntilMs = 0
  #startedMs = -Infinity
  #tookMs = 0
  #hasAnswered = false
  /** When each complaint was last logged. */
  readonly #complainedMs = new Map<string, number>()

  constructor(options: RevocationSyncOptions) {
    this.#options = options
  }

  /** Resolves when all that was in the store is known; when it is away; or after a second, however slow it is. */
  async start(): Promise<void> {
    const { store } = this.#options
    store.subscribe(revocationsName, (message) => this.#hear(message))
    const late = AbortSignal.timeout(startMs)
    const { promise, resolve } = Promise.withResolvers<void>()
    late.addEventListener('abort', () => resolve(), { once: true })
    do await Promise.race([this.reconcile(), promise])
    while (!this.#hasAnswered && store.isUp && !late.aborted)
  }

  /** Tells the others what was revoked here. Where they cannot be told now, they will be. */
  async tell(entry: RevocationEntry): Promise<Reach> {
    this.#untold.set(entry.digest, entry)
    const reach = await this.#options.write([entry], true)
    if (reach.kind === 'shared') this.#told([entry])
    return reach
  }

  /** What was revoked meanwhile, or again, is still to be told. */
  #told(entries: readonly RevocationEntry[]): void {
    for (const entry of entries) {
      if (this.#untold.get(entry.digest) === entry) this.#untold.delete(entry.digest)
    }
  }

  /** Resolves when all that was in the store at this moment is known here, or it cannot be asked. */
  reconcile(): Promise<void> {
    this.#isWanted = true
    this.#running ??= this.#run()
    return this.#running
  }

  /** Waits for what is being read or written, but for no longer than a start does: a store can be slow for minutes. */
  async close(): Promise<void> {
    this.#closed = true
    this.#closing.abort()
    clearTimeout(this.#timer)
    await Promise.race([this.#running, pause(startMs, undefined, { ref: false })])
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer)
    while (this.#isWanted && !this.#closed) {
      const apartMs = Math.max(leastMs, Math.min(this.#tookMs * restFactor, reconcileMs))
      const waitMs = this.#startedMs + apartMs - performance.now()
      if (waitMs > 0) await pause(waitMs, undefined, { signal: this.#closing.signal }).catch(() => undefined)
      if (this.#closed) break
      this.#isWanted = false
      this.#startedMs = performance.now()
      await this.#reconcileOnce()
      this.#tookMs = performance.now() - this.#startedMs
    }
    this.#running = undefined
    if (this.#closed) return
    this.#timer = setTimeout(() => void this.reconcile(), this.#intervalMs())
    this.#timer.unref()
  }

  #intervalMs(): number {
    const { list, random } = this.#options
    const maxAgeMs = this.#options.maxAgeMs() || Infinity
    const usualMs = this.#hasAnswered ? Math.max(reconcileMs, list.size * msForEach) : retryMs
    const intervalMs = Math.min(usualMs, maxAgeMs / 3)
    return intervalMs * (0.8 + 0.2 * random())
  }

  #hear(message: string | undefined): void {
    if (message === undefined) {
      this.#deniedUntilMs = 0
      void this.reconcile()
      return
    }
    const entry = parseMessage(message)
    if (entry === undefined) this.#reject('malformed')
    else this.#learn(entry)
  }

  async #reconcileOnce(): Promise<void> {
    const { store, list, now } = this.#options
    const startedMs = now()
    let members: readonly Scored[]
    try {
      members = await store.members(revocationsName, list.floorSeconds)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      this.#hasAnswered = error instanceof StoreOverfull
      if (this.#hasAnswered) this.#refuseAll()
      // While it is away, the store's own lines say so.
      else if (store.isUp)
        this.#complain('warn', 'the revocations in the store cannot be read', { cause: error.message })
      return
    }
    this.#hasAnswered = true
    list.hear()
    const scores = await this.#learnAll(members)
    list.heard(startedMs)
    await this.#writeBack(scores)
  }

  /** What cannot be read could be what matters. */
  #refuseAll(): void {
    this.#options.list.overflow()
    this.#reject('too_many')
  }

  async #learnAll(members: readonly Scored[]): Promise<Map<string, number>> {
    const scores = new Map<string, number>()
    for (const [i, [member, score]] of members.entries()) {
      if (i % stepEntries === stepEntries - 1) await turn()
      const entry = parseEntry(member, score)
      if (entry === undefined) {
        this.#reject('malformed')
        continue
      }
      scores.set(member, score)
      this.#learn(entry)
    }
    return scores
  }

  /** What is missing there was lost, or taken away by somebody who may not. */
  async #writeBack(scores: ReadonlyMap<string, number>): Promise<void> {
    const { list, now, write, log } = this.#options
    if (now() < this.#deniedUntilMs) return
    const lost: RevocationEntry[] = []
    let looked = 0
    for (const entry of list.entries()) {
      if (++looked % stepEntries === 0) await turn()
      if ((scores.get(memberOf(entry)) ?? -1) < entry.forgetAtSeconds) lost.push(entry)
    }
    const untold = [...this.#untold.values()]
    if (untold.length > 0) await this.#noteDenial(await write(untold, true), () => this.#told(untold))
    const rest = lost.filter(({ digest }) => !untold.some((entry) => entry.digest === digest))
    if (rest.length === 0 || now() < this.#deniedUntilMs) return
    await this.#noteDenial(await write(rest, false), () =>
      log.write('warn', 'revocations were missing from the store, and are there again', {
        count: rest.length,
      }),
    )
  }

  async #noteDenial(reach: Reach, onShared: () => void): Promise<void> {
    const { now, log } = this.#options
    if (reach.kind === 'shared') onShared()
    if (reach.kind !== 'not_permitted') return
    // As it should be: the right to revoke is not every sidecar's.
    if (this.#deniedUntilMs === 0)
      log.write('debug', 'this sidecar may not write revocations', { why: reach.why })
    this.#deniedUntilMs = now() + deniedMs
  }

  #learn(entry: RevocationEntry): void {
    if (this.#options.list.learn(entry) === 'too_many') this.#reject('too_many')
  }

  #reject(reason: Rejection): void {
    this.#options.onRejected(reason)
    this.#complain(reason === 'too_many' ? 'error' : 'warn', complaints[reason])
  }

  #complain(level: 'warn' | 'error', message: string, fields: LogFields = {}): void {
    const { log, now } = this.#options
    if (Math.abs(now() - (this.#complainedMs.get(message) ?? -Infinity)) < complaintMs) return
    this.#complainedMs.set(message, now())
    log.write(level, message, fields)
  }
}

const complaints: Readonly<Record<Rejection, string>> = {
  malformed:
    'what is no revocation is in the store among them, and is ignored: who else writes there? See who has the credential',
  too_many:
    'more is revoked than can be kept, so nothing is accepted any more: see who writes revocations, remove what is not theirs, and start again',
}
