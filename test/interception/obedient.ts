// A child process that carries out orders: numbered messages out, each answered by its result or its failure.
import type { ChildProcess } from 'node:child_process'

interface Answer {
  readonly id: number
  readonly result?: unknown
  readonly failure?: string
}

/** Sends an order, beside whose number stands what is given. @throws {Error} what failed there, or that it ended. */
export type Tell = (order: object) => Promise<unknown>

/** Resolves when the child says that it is there, by answering what was never asked: number 0. */
export async function obedient(child: ChildProcess): Promise<Tell> {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  child.on('message', ({ id, result, failure }: Answer) => {
    const asked = waiting.get(id)
    waiting.delete(id)
    if (failure === undefined) asked?.resolve(result)
    else asked?.reject(new Error(failure))
  })
  child.once('exit', () => {
    for (const asked of waiting.values()) asked.reject(new Error('it ended'))
  })
  let last = 0
  const waitFor = (id: number) => {
    const asked = Promise.withResolvers<unknown>()
    waiting.set(id, asked)
    return asked.promise
  }
  await waitFor(0)
  return (order) => {
    const id = ++last
    const done = waitFor(id)
    child.send({ id, ...order })
    return done
  }
}
