// Every scenario, in the order in which they are measured.
import { bodies } from './bodies.ts'
import { hop } from './hop.ts'
import { inbound } from './inbound.ts'
import { keys } from './keys.ts'
import { memoryScenario } from './memory.ts'
import { newKey } from './new-key.ts'
import { onBehalf } from './on-behalf.ts'
import { overload } from './overload.ts'
import { revocation } from './revocation.ts'
import { routes } from './routes.ts'
import { sessions } from './sessions.ts'
import { soak } from './soak.ts'
import { start } from './start.ts'
import { store } from './store.ts'
import { tracing } from './tracing.ts'

export const scenarios = [
  inbound,
  onBehalf,
  tracing,
  hop,
  overload,
  bodies,
  store,
  routes,
  sessions,
  keys,
  memoryScenario,
  start,
  revocation,
  newKey,
  soak,
] as const

type Every = (typeof scenarios)[number]

/** What each gives, by its name; missing where it was not measured. */
export type Parts = {
  readonly [Each in Every as Each['name']]?: Awaited<ReturnType<Each['run']>>
}
