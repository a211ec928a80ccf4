// A steady stream of requests, and what became of those that were sent while something happened.
import { setTimeout as pause } from 'node:timers/promises'
import type { Visit } from './chains.ts'

export interface Asked {
  readonly visit: Visit
  readonly isRight: boolean
  readonly tookMs: number
}

/** The requests that were sent in some time, all of them answered. */
export interface Stretch {
  readonly right: number
  readonly sent: number
  readonly p99Ms: number
  /** The one that was sent last. */
  readonly last: Visit | undefined
  /** The first that went wrong. */
  readonly wrong: Visit | undefined
}

export interface Load {
  /** Who asks, in turn. */
  readonly users: Set<string>
  /** Does something, for a second at least, while the stream goes on. */
  during<T>(act: () => Promise<T>): Promise<Stretch & { readonly outcome: T }>
  /** @returns what became of all of them */
  end(): Promise<Pick<Stretch, 'right' | 'sent'>>
}

const intervalMs = 40
/** What a machine cannot keep up with is not piled up. */
const maxOpen = 16
const shortestMs = 1_000

/** Sends one request each 40 ms, unless 16 are not answered yet. `ask` never rejects. */
export function startLoad(
  users: readonly string[],
  ask: (user: string, index: number) => Promise<Asked>,
): Load {
  const asking = new Set(users)
  const open = new Set<Promise<Asked>>()
  const stretches = new Set<Promise<Asked>[]>()
  const total = { right: 0, sent: 0 }

  const send = () => {
    const names = [...asking]
    const user = names[total.sent % names.length]
    if (user === undefined || open.size >= maxOpen) return
    const asked = ask(user, total.sent++)
    open.add(asked)
    for (const stretch of stretches) stretch.push(asked)
    void asked.then(({ isRight }) => {
      open.delete(asked)
      if (isRight) total.right++
    })
  }
  const timer = setInterval(send, intervalMs)

  return {
    users: asking,
    during: async (act) => {
      const stretch: Promise<Asked>[] = []
      stretches.add(stretch)
      const ended = Promise.all([act(), pause(shortestMs)]).finally(() => stretches.delete(stretch))
      const [outcome] = await ended
      return { ...summarise(await Promise.all(stretch)), outcome }
    },
    end: async () => {
      clearInterval(timer)
      await Promise.all(open)
      return total
    },
  }
}

function summarise(all: readonly Asked[]): Stretch {
  const tookMs = all.map((asked) => asked.tookMs).sort((a, b) => a - b)
  return {
    right: all.filter(({ isRight }) => isRight).length,
    sent: all.length,
    p99Ms: tookMs[Math.ceil(tookMs.length * 0.99) - 1] ?? 0,
    last: all.at(-1)?.visit,
    wrong: all.find(({ isRight }) => !isRight)?.visit,
  }
}
