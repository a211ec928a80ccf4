// A client that is never idle: on several kept-alive connections, and each of its requests has an id and an end on record.
import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { crc32 } from 'node:zlib'

const methods = ['GET', 'POST', 'PUT', 'POST', 'DELETE'] as const
export type Method = (typeof methods)[number]

export interface Outcome {
  readonly id: string
  readonly method: Method
  /** Of each time it was sent: the status, with the code of a refusal, or the code of the connection's failure. */
  readonly results: readonly string[]
  readonly startedMs: number
  readonly endedMs: number
}

export interface BusyClientOptions {
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  /** How long the app works on a request, by its number. */
  readonly workMs: (number: number) => number
  /** Whether what is idempotent is sent again after these results, until it has another one. */
  readonly repeats?: RegExp
}

export interface BusyClient {
  readonly outcomes: readonly Outcome[]
  /** Resolves when so many more requests were answered 200. */
  served(count: number): Promise<void>
  /** Resolves when the last ones have ended. */
  stop(): Promise<void>
}

const connections = 8
/** Before a failed request is sent again, or the next one: nobody is helped by asking at once. */
const pauseMs = 20
const deadlineMs = 30_000

export function startBusyClient({ port, headers, workMs, repeats }: BusyClientOptions): BusyClient {
  const outcomes: Outcome[] = []
  let lastId = 0
  const state = { served: 0, isOver: false }
  const work = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    while (!state.isOver) {
      const id = String(++lastId)
      const method = methods[lastId % methods.length] as Method
      const fields = { ...headers, 'X-Id': id, 'X-Work-Ms': String(workMs(lastId)) }
      const startedMs = performance.now()
      const results: string[] = []
      for (;;) {
        const result = await ask({ port, headers: fields, agent, method, id })
        results.push(result)
        if (result === '200') state.served++
        else await pause(pauseMs)
        const isLate = performance.now() - startedMs > deadlineMs
        if (method === 'POST' || repeats?.test(result) !== true || isLate) break
      }
      outcomes.push({ id, method, results, startedMs, endedMs: performance.now() })
    }
    agent.destroy()
  }
  const workers = Array.from({ length: connections }, work)
  return {
    outcomes,
    async served(count) {
      const enough = state.served + count
      while (state.served < enough) await pause(5)
    },
    async stop() {
      state.isOver = true
      await Promise.all(workers)
    },
  }
}

interface Ask {
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  readonly agent: Agent
  readonly method: Method
  readonly id: string
}

async function ask({ port, headers, agent, method, id }: Ask): Promise<string> {
  const body = method === 'GET' || method === 'DELETE' ? '' : `${id} `.repeat(1 + (Number(id) % 5_000))
  const framing = body === '' ? {} : { 'Content-Length': body.length }
  const request = httpRequest({
    host: '127.0.0.1',
    port,
    agent,
    method,
    headers: { ...headers, ...framing },
  })
  request.setTimeout(deadlineMs, () => request.destroy(new Error('no answer in time')))
  request.end(body)
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    const answer = await text(response)
    if (response.statusCode === 200) return answer === `${id} ${crc32(body)}` ? '200' : 'a wrong answer'
    return `${response.statusCode} ${String(response.headers['x-onbehalf-error'])}`
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message
  }
}
