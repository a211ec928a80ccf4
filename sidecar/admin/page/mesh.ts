// Holds what the services last said of themselves, and what follows from it for all of them together.
import type { ServiceState } from './protocol.ts'
import { ratesOf, remember, type EdgeRates, type History } from './rates.ts'
import { waysOf, type Way } from './ways.ts'

/** States come each second: a service that says nothing for so long is away. */
const silentMs = 5_000

interface Heard {
  readonly history: History
  readonly atMs: number
}

export class Mesh {
  readonly #heard = new Map<string, Heard>()

  take(state: ServiceState, nowMs: number): void {
    const history = remember(this.#heard.get(state.service)?.history ?? [], state)
    this.#heard.set(state.service, { history, atMs: nowMs })
  }

  /** Of each service the last, by name. */
  get states(): readonly ServiceState[] {
    return [...this.#heard.values()]
      .flatMap(({ history }) => history.at(-1) ?? [])
      .sort((a, b) => a.service.localeCompare(b.service))
  }

  /** For how long a service has said nothing; undefined where that is not long. */
  silence(service: string, nowMs: number): number | undefined {
    const heard = this.#heard.get(service)
    const ms = nowMs - (heard?.atMs ?? nowMs)
    return ms > silentMs ? ms : undefined
  }

  /** What was counted stays; how fast it goes is not known of a service that says nothing. */
  ways(nowMs: number): readonly Way[] {
    const rates = [...this.#heard].flatMap(([service, { history }]): readonly EdgeRates[] =>
      this.silence(service, nowMs) === undefined
        ? ratesOf(history)
        : ratesOf(history).map(({ edge }) => ({ edge, lately: undefined })),
    )
    return waysOf(rates)
  }
}
