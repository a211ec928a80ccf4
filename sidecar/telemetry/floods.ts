// Holds floods of log lines back: of each kind so many in a second, then a line that says how many there were.
import type { LogLevel } from '../../shared/config/mesh.ts'

export type LogFields = Readonly<Record<string, unknown>>

interface Kind {
  readonly level: LogLevel
  readonly message: string
  readonly code: unknown
  /** Whole seconds since the epoch. */
  readonly second: number
  count: number
}

/** Kinds are messages of ours with codes of ours: few. */
export class Floods {
  readonly #perSecond: number
  readonly #kinds = new Map<string, Kind>()
  #suppressed = 0

  /** @param perSecond lines of one kind; 0: no limit. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  get suppressed(): number {
    return this.#suppressed
  }

  /** Whether a line may be written; counts it. */
  admits(level: LogLevel, message: string, { code }: LogFields, nowMs: number): boolean {
    if (this.#perSecond === 0) return true
    const key = typeof code === 'string' ? `${message} ${code}` : message
    const second = Math.floor(nowMs / 1000)
    let kind = this.#kinds.get(key)
    if (kind?.second !== second) {
      kind = { level, message, code, second, count: 0 }
      this.#kinds.set(key, kind)
    }
    kind.count++
    if (kind.count <= this.#perSecond) return true
    this.#suppressed++
    return false
  }

  /** What was left out in seconds that are over, each told once. */
  *ended(nowMs: number): Generator<{ readonly level: LogLevel; readonly fields: LogFields }> {
    const second = Math.floor(nowMs / 1000)
    for (const [key, kind] of this.#kinds) {
      if (kind.second === second) continue
      this.#kinds.delete(key)
      const leftOut = kind.count - this.#perSecond
      if (leftOut > 0)
        yield { level: kind.level, fields: { of: kind.message, code: kind.code, lines: leftOut } }
    }
  }
}
