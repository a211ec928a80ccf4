// Finds the addresses of hosts that the app chooses: few at once, so that names without an answer do not hold up those of routes.
import { lookup, type LookupAddress, type LookupOptions } from 'node:dns'

/** The system's look-up holds a thread for as long as a name server is silent, and cannot be called off. */
const mostAtOnce = 4
/** Names that wait for their turn; whose turn does not come in time is out of time as if it were looked up. */
const mostWaiting = 1_000

type Callback = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void
export type LookUpAll = (host: string, options: LookupOptions & { all: true }, callback: Callback) => void

export class UnlistedNames {
  readonly #lookUp: LookUpAll
  /** By name and family, who waits for it. */
  readonly #asked = new Map<string, Callback[]>()
  readonly #waiting: (() => void)[] = []
  #underWay = 0

  constructor(lookUp: LookUpAll = lookup) {
    this.#lookUp = lookUp
  }

  /** As `lookup` of node:dns does, with `all`. */
  find(host: string, options: LookupOptions, callback: Callback): void {
    const key = JSON.stringify([host, options.family, options.hints])
    const others = this.#asked.get(key)
    if (others !== undefined) {
      others.push(callback)
      return
    }
    if (this.#waiting.length >= mostWaiting) {
      callback(Object.assign(new Error('too many names are looked up'), { code: 'EAGAIN' }), [])
      return
    }
    this.#asked.set(key, [callback])
    const start = () => this.#start(key, host, options)
    if (this.#underWay < mostAtOnce) start()
    else this.#waiting.push(start)
  }

  #start(key: string, host: string, options: LookupOptions): void {
    this.#underWay++
    this.#lookUp(host, { ...options, all: true }, (error, addresses) => {
      this.#underWay--
      this.#waiting.shift()?.()
      const callbacks = this.#asked.get(key) ?? []
      this.#asked.delete(key)
      for (const callback of callbacks) callback(error, addresses)
    })
  }
}
