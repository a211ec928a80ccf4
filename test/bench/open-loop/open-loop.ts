// A load of a fixed rate, by a client in a process of its own.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { ownFolder, type Bed } from '../bed.ts'
import { cores } from '../processes.ts'
import { percentile } from '../statistics.ts'

export interface OpenLoopOrder {
  readonly port: number
  /** Requests per second. */
  readonly rate: number
  readonly seconds: number
  /** Before them, at the same rate and not counted: what is measured would else be how the client's code is compiled. */
  readonly leadSeconds: number
  readonly connections: number
  /** The request line and the headers, each with its line end. */
  readonly head: string
  readonly bodyBytes: number
  /** A header for each request, line by line and again from the first one. */
  readonly lineFile?: string
}

export interface OpenLoopResults {
  /** Without those of the lead. */
  readonly requests: number
  /** Answers that are not 200, in the lead as well. */
  readonly failures: number
  /** From when the first of them was to be sent until the last was answered. */
  readonly seconds: number
  /** From when a request was to be sent until it was answered. */
  readonly latency: Latency
  /** How late requests were sent, for want of a free connection or of time. */
  readonly lag: Latency
}

export interface Latency {
  readonly p50_ms: number
  readonly p90_ms: number
  readonly p99_ms: number
  readonly max_ms: number
}

const program = path.join(import.meta.dirname, 'program.ts')

/** @throws Error where a request failed */
export async function runOpenLoop(bed: Bed, order: OpenLoopOrder): Promise<OpenLoopResults> {
  const file = path.join(await ownFolder(bed.folder, 'open-loop'), 'order.json')
  await writeFile(file, JSON.stringify(order))
  const output = await bed.processes.run(cores.load, [process.execPath, program, file])
  const results = JSON.parse(output) as OpenLoopResults
  if (results.failures > 0) throw new Error(`${results.failures} of ${results.requests} answers were not 200`)
  return results
}

export function latencyOf(values: readonly number[]): Latency {
  return {
    p50_ms: percentile(values, 50),
    p90_ms: percentile(values, 90),
    p99_ms: percentile(values, 99),
    max_ms: values.reduce((most, value) => Math.max(most, value), 0),
  }
}
