// A client of several kept-alive connections that is never idle, and writes down what became of each request.
import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'

const methods = ['GET', 'POST', 'PUT', 'POST'] as const
export type Method = (typeof methods)[number]

export interface Outcome {
  readonly id: string
  readonly method: Method
  /** The status and the code of a refusal, or how the connection failed. */
  readonly result: string
  readonly isRepetition: boolean
}

export interface BusyClient {
  readonly outcomes: readonly Outcome[]
  stop(): Promise<void>
}

/**
 * @param repeat whether a GET or PUT that met a connection that ended, or `draining`, is asked again until it is answered.
 */
export function startBusyClient(
  port: () => number,
  headers: Readonly<Record<string, string>>,
  repeat: boolean,
): BusyClient {
  const isToRepeat = (method: Method, result: string) =>
    repeat && method !== 'POST' && /^(?:503 draining|E[A-Z]+)$/.test(result)
  const agent = new Agent({ keepAlive: true })
  const outcomes: Outcome[] = []
  const over = new AbortController()
  let next = 0
  const ask = async (method: Method, id: string, isRepetition: boolean) => {
    const result = await resultOf(port(), agent, method, { ...headers, 'x-id': id })
    outcomes.push({ id, method, result, isRepetition })
    return result
  }
  const work = async () => {
    while (!over.signal.aborted) {
      const id = String(++next)
      const method = methods[next % methods.length] as Method
      let result = await ask(method, id, false)
      while (isToRepeat(method, result)) {
        await new Promise((resolve) => setTimeout(resolve, 20))
        result = await ask(method, id, true)
      }
    }
  }
  const workers = Array.from({ length: 8 }, work)
  return {
    outcomes,
    async stop() {
      over.abort()
      await Promise.all(workers)
      agent.destroy()
    },
  }
}

const deadlineMs = 30_000

async function resultOf(
  port: number,
  agent: Agent,
  method: Method,
  headers: Readonly<Record<string, string>>,
): Promise<string> {
  const body = method === 'GET' ? '' : 'x'.repeat(1_000)
  const signal = AbortSignal.timeout(deadlineMs)
  const request = httpRequest({ host: '127.0.0.1', port, agent, method, headers, signal })
  request.end(body)
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    const code = response.headers['x-onbehalf-error']
    await text(response)
    return code === undefined ? String(response.statusCode) : `${response.statusCode} ${String(code)}`
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EUNKNOWN'
  }
}
