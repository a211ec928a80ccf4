// Load shedding: finds out that more requests come than one thread can carry, and which of them to refuse.
//
// What waits for the thread waits where it can neither be seen nor bounded: in the buffers of the sockets. But as long as the
// event loop is idle now and then, nothing waits for long; and where turn follows turn, what one takes is what the requests of the
// next have waited. As in CoDel (RFC 8289) one long turn is no overload: it takes several in a row. They are measured in CPU time:
// a process that was stopped, or did not get the core, has no more work for that. And it takes a crowd: some clients that each
// send when they are answered never let the loop be idle either, and wait for nothing but each other.
import type { EventLoop } from './event-loop.ts'

/** A burst, or the garbage collector, is one turn longer than the delay, or two with what came meanwhile. */
const longTurnsBefore = 2
/** So many requests one turn must bring. */
export const crowd = 250
/** While load is shed, a turn takes in this share of the delay: what has piled up is to go, and not to come again. */
const heldShare = 1 / 50
/** Where the loop was idle just before, nothing has piled up: this share. */
const roomyShare = 1 / 5
/** But no less than this share of what the last one took: who comes back at once when refused would leave time for refusals only. */
const leastShare = 1 / 8
/** What one connection may have of it: in HTTP/2 it can bring a thousand requests at once. */
const shareOfOne = 1 / 2
/**
 * Shedding ends when in a window of so many milliseconds the loop was idle for the first share of the time that it had, with nothing
 * refused, which else is why it was idle; or for the second.
 */
const windowMs = 250
const idleShare = 0.1
const idleShareRefusing = 0.5

export interface LoadShedderOptions {
  readonly loop: EventLoop
  readonly onChange: (isShedding: boolean) => void
}

/**
 * Times are milliseconds by a clock that only goes forward; a delay is how many milliseconds of work may wait before load is shed,
 * and 0 that it never is.
 */
export class LoadShedder {
  readonly #loop: EventLoop
  readonly #onChange: (isShedding: boolean) => void
  #isShedding = false
  /** The last turn in which a request was read, how many were, when the first was, and how long the loop had been idle by then. */
  #turn = -1
  #asked = 0
  #startMs = 0
  #idleMs = 0
  #wasIdle = false
  /** At the start of the turn, where it was asked for: that costs as much as a twentieth of a request. */
  #cpuMs: number | undefined
  /** So many turns in a row, with nothing idle between, took longer than the delay. */
  #longTurns = 0
  /** What the turn before took; 0 where the loop was idle since, or it was not measured. */
  #lastMs = 0
  /** CPU time of what was taken in since this turn began, or shedding did; of that what came before the connection that asks. */
  #takenMs = 0
  #takenBeforeMs = 0
  #connection: object | undefined
  /** When was last asked, in CPU time, where that was taken in: what it took is known by the next time. */
  #takingSinceMs: number | undefined
  /** Of the window in which is looked whether shedding is to end: when it began, and what had been idle and work by then. */
  #windowStartMs = 0
  #hasRefused = false
  #windowIdleMs = 0
  #windowCpuMs = 0

  constructor({ loop, onChange }: LoadShedderOptions) {
    this.#loop = loop
    this.#onChange = onChange
  }

  get isShedding(): boolean {
    return this.#isShedding
  }

  /**
   * To be asked for each request from outside just before it is decided. What that takes is known by the next time that is asked; what
   * else it takes, a little less than that, comes when all of the turn are decided.
   * @param connection on which it came.
   */
  refusesRequest(nowMs: number, delayMs: number, connection: object): boolean {
    if (!this.#isShed(nowMs, delayMs)) return false
    const share = this.#wasIdle ? roomyShare : heldShare
    return this.#refuses(Math.max(delayMs * share, this.#lastMs * leastShare), connection)
  }

  /** The same for the app's own calls: to refuse one is to lose the request that it is made for, and all that was done for it. */
  refusesCall(nowMs: number, delayMs: number, connection: object): boolean {
    if (!this.#isShed(nowMs, delayMs)) return false
    return this.#refuses(delayMs, connection)
  }

  /** To be called now and then, for where no more requests come. */
  look(nowMs: number): void {
    if (!this.#isShedding || nowMs - this.#windowStartMs < windowMs) return
    const idleMs = this.#loop.idleMs() - this.#windowIdleMs
    const workMs = this.#loop.cpuMs() - this.#windowCpuMs
    const isOver = idleMs >= (idleMs + workMs) * (this.#hasRefused ? idleShareRefusing : idleShare)
    this.#openWindow(nowMs)
    if (isOver) this.#change(false)
  }

  #isShed(nowMs: number, delayMs: number): boolean {
    if (delayMs === 0) return false
    const turn = this.#loop.turn()
    if (turn !== this.#turn) this.#beginTurn(turn, nowMs, delayMs)
    this.#asked++
    if (this.#isShedding) return true
    if (this.#longTurns < longTurnsBefore || this.#asked < crowd) return false
    if (nowMs - this.#startMs <= delayMs || this.#workMs(this.#loop.cpuMs()) <= delayMs) return false
    this.#openWindow(nowMs)
    this.#change(true)
    return true
  }

  #refuses(mostMs: number, connection: object): boolean {
    const cpuMs = this.#loop.cpuMs()
    this.#takenMs += cpuMs - (this.#takingSinceMs ?? cpuMs)
    if (connection !== this.#connection) {
      this.#connection = connection
      this.#takenBeforeMs = this.#takenMs
    }
    const isRefused = this.#takenMs > mostMs || this.#takenMs - this.#takenBeforeMs > mostMs * shareOfOne
    this.#takingSinceMs = isRefused ? undefined : cpuMs
    if (isRefused) this.#hasRefused = true
    return isRefused
  }

  #beginTurn(turn: number, nowMs: number, delayMs: number): void {
    const idleMs = this.#loop.idleMs()
    this.#wasIdle = idleMs !== this.#idleMs
    const tookMs = nowMs - this.#startMs
    this.#turn = turn
    this.#asked = 0
    this.#startMs = nowMs
    this.#idleMs = idleMs
    this.#takenMs = 0
    this.#connection = undefined
    this.#takingSinceMs = undefined
    if (!this.#wasIdle && (this.#isShedding || tookMs > delayMs)) this.#measure(delayMs)
    else this.#forget()
    this.look(nowMs)
  }

  /** The turn that is over. Of the first in a row only the time is known, so that it counts as long. */
  #measure(delayMs: number): void {
    const cpuMs = this.#loop.cpuMs()
    const isFirst = this.#cpuMs === undefined
    this.#lastMs = this.#workMs(cpuMs)
    this.#longTurns = isFirst || this.#lastMs > delayMs ? this.#longTurns + 1 : 0
    this.#cpuMs = cpuMs
  }

  #forget(): void {
    this.#longTurns = 0
    this.#lastMs = 0
    this.#cpuMs = undefined
  }

  /** Of this turn, by now. */
  #workMs(cpuMs: number): number {
    return cpuMs - (this.#cpuMs ?? cpuMs)
  }

  #openWindow(nowMs: number): void {
    this.#windowStartMs = nowMs
    this.#hasRefused = false
    this.#windowIdleMs = this.#loop.idleMs()
    this.#windowCpuMs = this.#loop.cpuMs()
  }

  #change(isShedding: boolean): void {
    this.#isShedding = isShedding
    this.#onChange(isShedding)
  }
}
