// The frame of the programs for Node's clients: asks on the standard input, one a line, what came of each in a line.
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { toldContent, type Ask, type Told } from '../ask.ts'

/** What a library gave: its answer's head, and its content in pieces. */
export interface Given {
  readonly status: number
  readonly headers: Iterable<readonly [name: string, value: string]>
  readonly content: AsyncIterable<Uint8Array>
}

/** @param signal aborted when the client is to leave. */
export type CarryOut = (ask: Ask, signal: AbortSignal) => Promise<Given>

export async function serveAsks(carryOut: CarryOut): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const told = await tell(JSON.parse(line) as Ask, carryOut)
    process.stdout.write(`${JSON.stringify(told)}\n`)
  }
  process.exit()
}

async function tell(ask: Ask, carryOut: CarryOut): Promise<Told> {
  const leaving = new AbortController()
  try {
    const { status, headers, content } = await carryOut(ask, leaving.signal)
    const pieces: Uint8Array[] = []
    for await (const piece of content) {
      pieces.push(piece)
      if (ask.leave) leaving.abort()
    }
    return { status, headers: [...headers], ...toldContent(status, Buffer.concat(pieces)), error: '' }
  } catch (error) {
    return { status: 0, headers: [], sha256: '', text: '', error: describe(error) }
  }
}

/** With the causes, since libraries say there what really happened. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `: ${describe(error.cause)}`
  return `${error.name}: ${error.message}${cause}`
}

/** As a whole, or as a stream. */
export async function bodyOf({ bodyFile, streamed }: Ask): Promise<Buffer | Readable | undefined> {
  if (bodyFile === undefined) return undefined
  return streamed ? createReadStream(bodyFile) : readFile(bodyFile)
}

/** Of headers as node:http gives them. */
export function pairsOf(headers: Readonly<Record<string, unknown>>): [name: string, value: string][] {
  return Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().map((value): [string, string] => [name, String(value)]),
  )
}
