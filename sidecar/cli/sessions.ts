// `onbehalf sessions`: how many sessions a running sidecar keeps. Whose they are it tells nobody.
import type { describeSessions } from '../admin/describe.ts'
import type { Io } from './io.ts'
import { show } from './show.ts'
import { table } from './table.ts'

type Answer = ReturnType<typeof describeSessions>

const about = `Shows how many sessions the running sidecar of a service keeps: of requests under way, and of requests that
ended and whose later calls may still carry their user (timeouts.linger); and the memory that they count for
(limits.session_bytes).`

function toText(answer: unknown): string {
  const { active, lingering, bytes } = answer as Answer
  return table([
    ['ACTIVE', 'LINGERING', 'MEMORY'],
    [String(active), String(lingering), `${(bytes / 1024 / 1024).toFixed(1)} MiB`],
  ])
}

export function sessions(args: string[], io: Io): Promise<number> {
  return show({ name: 'sessions', about, target: '/sessions', toText }, args, io)
}
