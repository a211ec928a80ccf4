// Which of our own code was carried out, block by block, as V8 counts it.
import { Session, type Profiler } from 'node:inspector'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const root = pathToFileURL(path.join(import.meta.dirname, '../..')).href
const ours = [`${root}/shared/`, `${root}/sidecar/`]

export class Coverage {
  readonly #session = new Session()
  /** Of each function, by its place: which of its characters were carried out. */
  #reached = new Map<string, Uint8Array>()

  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
    this.#take()
  }

  stop(): void {
    this.#session.disconnect()
  }

  /** As if nothing had been carried out yet. */
  forget(): void {
    this.#take()
    this.#reached = new Map()
  }

  /**
   * Of what was carried out since it was asked last.
   * @param isKept whether it is no news any more afterwards.
   * @returns whether anything of it was not before.
   */
  hasNews(isKept: boolean): boolean {
    let hasNews = false
    for (const { url, functions } of this.#take()) {
      if (!ours.some((begin) => url.startsWith(begin))) continue
      for (const each of functions) if (this.#hasReached(url, each, isKept)) hasNews = true
    }
    return hasNews
  }

  #hasReached(url: string, { ranges }: Profiler.FunctionCoverage, isKept: boolean): boolean {
    const [{ startOffset, endOffset, count } = { startOffset: 0, endOffset: 0, count: 0 }] = ranges
    if (count === 0) return false
    const key = `${url}:${startOffset}`
    const before = this.#reached.get(key) ?? new Uint8Array(endOffset - startOffset)
    const now = new Uint8Array(before.length)
    // Inner ranges come behind those around them.
    for (const range of ranges) {
      now.fill(range.count > 0 ? 1 : 0, range.startOffset - startOffset, range.endOffset - startOffset)
    }
    const hasNews = now.some((isReached, i) => isReached === 1 && before[i] === 0)
    if (hasNews && isKept)
      this.#reached.set(
        key,
        now.map((isReached, i) => isReached | (before[i] as number)),
      )
    return hasNews
  }

  #take(): readonly Profiler.ScriptCoverage[] {
    let taken: readonly Profiler.ScriptCoverage[] = []
    // It answers before it returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error
      taken = result
    })
    return taken
  }
}
