// What the soak's client is told, and what it tells.
import type { Latency } from '../open-loop/open-loop.ts'

export interface SoakOrder {
  readonly port: number
  readonly seconds: number
  readonly connections: number
  /** Requests per second; undefined: as many as are answered, one at a time on each connection. */
  readonly rate?: number
  /** Who signs, in PEM. */
  readonly kid: string
  readonly privateKeyPem: string
}

export interface SoakCounts {
  readonly requests: number
  /** How many answers had which status. */
  readonly statuses: Readonly<Record<string, number>>
  /** From the first request to the last answer. */
  readonly seconds: number
  /** Of each minute, from when a request was to be sent until it was answered. */
  readonly minutes: readonly Latency[]
}
