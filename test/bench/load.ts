// The load: wrk, which sends the tokens of given files one after the other, and what it counted.
import path from 'node:path'
import { cores, type Processes } from './processes.ts'
import { assertionHeader, host } from './users.ts'

export const connections = 32

export interface Load {
  readonly requests: number
  readonly seconds: number
  /** Connections and exchanges that failed. */
  readonly socketErrors: number
  /** Answers that are none of 2xx and 3xx. */
  readonly refusals: number
  /** How often the tokens were used up, and wrk began with the first one again. */
  readonly wraps: number
}

/** What is sent. */
export interface Requests {
  /** With a token on each line; behind a tab, the evidence beside it. */
  readonly tokenFiles: readonly string[]
  /** Which header has the token. Default: the assertion's. */
  readonly tokenHeader?: string
  /** A header line beside it, made when the load begins. */
  readonly headerLine?: () => string
  /** Default: the route's. */
  readonly host?: string
  readonly path?: string
  /** Bytes that each request brings. Default: none. */
  readonly bodyBytes?: number
  readonly connections?: number
}

export interface LoadOptions extends Requests {
  readonly port: number
  readonly seconds: number
  /** Ends after so many answers, where the seconds are not over before; then these are not told. */
  readonly count?: number
}

const script = path.join(import.meta.dirname, 'load.lua')

export async function runLoad(processes: Processes, options: LoadOptions): Promise<Load> {
  const { port, seconds } = options
  const target = `http://127.0.0.1:${port}/`
  const flags = ['-t1', `-c${options.connections ?? connections}`, `-d${seconds}s`, '--timeout', '10s']
  const command = ['wrk', ...flags, '-s', script, target, '--', ...scriptArguments(options)]
  return parseLoad(await processes.run(cores.load, command))
}

/** As load.lua reads them. */
function scriptArguments(options: LoadOptions): string[] {
  return [
    options.host ?? host,
    options.path ?? '/',
    String(options.bodyBytes ?? 0),
    String(options.count ?? 0),
    options.tokenHeader ?? assertionHeader,
    options.headerLine?.() ?? '',
    ...options.tokenFiles,
  ]
}

/** Reads what load.lua prints at the end. */
export function parseLoad(output: string): Load {
  const line = /^bench (.*)$/m.exec(output)?.[1]
  if (line === undefined) throw new Error(`wrk ended without its counts:\n${output}`)
  const counts = new Map(line.split(' ').map((pair) => pair.split('=') as [string, string]))
  const count = (name: string): number => {
    const text = counts.get(name) ?? ''
    if (!/^\d+$/.test(text)) throw new Error(`wrk did not count ${name}: ${line}`)
    return Number(text)
  }
  return {
    requests: count('requests'),
    seconds: count('duration_us') / 1e6,
    socketErrors: count('connect') + count('read') + count('write') + count('timeout'),
    refusals: count('status'),
    wraps: count('wraps'),
  }
}

/** What makes the counts worthless; undefined: nothing. */
export function faultOf(load: Load, mayRepeat: boolean): string | undefined {
  if (load.requests === 0) return 'no request was answered'
  if (load.socketErrors > 0) return `${load.socketErrors} of ${load.requests} requests failed on the socket`
  if (load.refusals > 0) return `${load.refusals} of ${load.requests} answers were not 200`
  if (!mayRepeat && load.wraps > 0)
    return `the tokens were used up and came again: every one was to be new (${load.requests} requests)`
  return undefined
}
