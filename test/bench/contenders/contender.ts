// What a contender is: a proxy that can be started in front of the upstream.
import type { Bed } from '../bed.ts'

export interface Contender {
  readonly name: string
  /** What it is and does, for the report. */
  readonly title: string
  /** The command that must be installed; undefined: it is a part of this checkout. */
  readonly command: string | undefined
  /** Whether it refuses bad assertions, and sets the identity header from good ones. */
  readonly verifies: boolean
  start(bed: Bed): Promise<Started>
}

export interface Started {
  /** Its first process: what it uses includes its descendants. */
  readonly pid: number
  /** On 127.0.0.1. */
  readonly port: number
  /** From the start of the process until it serves. */
  readonly startToReadyMs: number
  /** What it tells Prometheus; undefined: nothing. */
  readonly metrics?: () => Promise<string>
  readonly stop: () => Promise<void>
}
