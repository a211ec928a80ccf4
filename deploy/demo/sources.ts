// What carried the user from a request into the call that it caused: as the calling sidecar counted it.
import { readMetrics } from './ask-sidecar.ts'
import type { Service } from './topology.ts'

export interface SourceCount {
  /** `handle`, `tracestate`, …; `none` where the call was made for nobody. */
  readonly source: string
  readonly calls: number
}

const sample =
  /^onbehalf_outbound_calls_total\{cause="\w+",source="(\w+)",outcome="allowed",route="(\w+)"\} (\d+)$/

/** Of the calls of one service to a route that were allowed. */
export async function countSources(caller: Service, route: string): Promise<SourceCount[]> {
  return (await readMetrics(caller)).split('\n').flatMap((line) => {
    const match = sample.exec(line)
    return match?.[2] === route ? [{ source: match[1] as string, calls: Number(match[3]) }] : []
  })
}
