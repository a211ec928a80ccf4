// Writes that wait where a stream takes nothing now: a pipe whose reader pauses is full, and that is no failure.
import { write, writev } from 'node:fs'

type Told = (error: NodeJS.ErrnoException | null, written: number, ...more: unknown[]) => void

const againMs = 10

/**
 * What `fs.write` and `fs.writev` do, but for EAGAIN: Node makes pipes at its standard streams non-blocking, and would
 * give up at the sixth attempt, all at once.
 * @param signal ends what waits.
 */
export function createPatientWrites(signal: AbortSignal): {
  write: typeof write
  writev: typeof writev
} {
  return { write: patient(write, signal), writev: patient(writev, signal) }
}

/** @param attempt whose last argument is told what came of it. */
function patient<F>(attempt: F, signal: AbortSignal): F {
  const tried = attempt as (...args: unknown[]) => void
  const again = (...args: unknown[]): void => {
    const told = args.at(-1) as Told
    tried(...args.slice(0, -1), (...answer: Parameters<Told>) => {
      if (answer[0]?.code !== 'EAGAIN' || signal.aborted) told(...answer)
      else setTimeout(again, againMs, ...args)
    })
  }
  return again as F
}
