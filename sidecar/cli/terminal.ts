// What is written for a person who watches: colours and progress, on terminals alone.
import type { LogOutput } from '../telemetry/log.ts'
import type { Io } from './io.ts'

const codes = { green: 32, yellow: 33, red: 31, dim: 2 } as const

export type Colour = keyof typeof codes
export type Paint = (text: string, colour: Colour) => string

/** Paints where it is seen; NO_COLOR and TERM=dumb are respected. */
export function paintFor(output: LogOutput, { env }: Pick<Io, 'env'>): Paint {
  const isSeen = output.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  return isSeen ? (text, colour) => `\u001b[${codes[colour]}m${text}\u001b[0m` : (text) => text
}

const firstMs = 1_000

/** Says on a terminal what is still waited for, once something takes longer than a second. */
export class Progress {
  readonly #output: LogOutput
  readonly #waiting = new Set<string>()
  readonly #timer: NodeJS.Timeout | undefined

  constructor(output: LogOutput) {
    this.#output = output
    if (output.isTTY === true) this.#timer = setInterval(() => this.#say(), firstMs)
  }

  async during<T>(what: string, work: Promise<T>): Promise<T> {
    this.#waiting.add(what)
    try {
      return await work
    } finally {
      this.#waiting.delete(what)
    }
  }

  end(): void {
    clearInterval(this.#timer)
  }

  #say(): void {
    if (this.#waiting.size > 0) this.#output.write(`still asking: ${[...this.#waiting].join(', ')}\n`)
  }
}
