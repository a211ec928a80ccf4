// What a command reads and writes: handed in, so that a command can be run by a test as by a person.
import type { LogOutput } from '../telemetry/log.ts'

export interface Io {
  readonly stdout: LogOutput
  readonly stderr: LogOutput
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
}

/** Exit statuses of every command. */
export const exitStatus = { done: 0, no: 1, wrong: 2 } as const
