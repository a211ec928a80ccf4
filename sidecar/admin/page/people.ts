// Who is who in a decision: names for callers and called, and the chain that leads here.
import type { DecisionEvent, ServiceState } from './protocol.ts'

/** Which service has an account, as far as services say so. */
export type ServiceByAccount = ReadonlyMap<string, string>

export function servicesByAccount(states: readonly ServiceState[]): ServiceByAccount {
  return new Map(
    states.flatMap(({ service, keys }) =>
      keys.flatMap(({ kind, of }) => (kind === 'account' ? [[of, service] as const] : [])),
    ),
  )
}

export interface Box {
  readonly name: string
  /** What it is, in words. */
  readonly role: string
}

/** From whom a request came, in one word. */
export function fromOf(decision: DecisionEvent, services: ServiceByAccount): string {
  if (decision.direction === 'outbound') return decision.service
  const { caller, outcome } = decision
  if (caller === undefined) return outcome === 'refused' ? 'unverified' : 'nobody'
  if (caller.kind === 'anonymous') return 'nobody'
  return caller.kind === 'user' ? caller.subject : (services.get(caller.subject) ?? caller.subject)
}

export function toOf(decision: DecisionEvent): string {
  if (decision.direction === 'inbound') return decision.service
  return decision.route ?? (decision.host === '' ? 'unknown' : decision.host)
}

/** The original user, the accounts passed, the caller, this service; and whom it calls, where it does. */
export function chainOf(decision: DecisionEvent, services: ServiceByAccount): readonly Box[] {
  const { direction, chain = [], originalUser, service } = decision
  const user = originalUser === undefined ? [] : [{ name: originalUser.subject, role: 'original user' }]
  const passed = chain.map((account) => accountBox(account, services))
  if (direction === 'outbound') {
    const called = { name: toOf(decision), role: decision.route === undefined ? 'elsewhere' : 'route called' }
    return [...user, ...passed, { name: service, role: 'this service' }, called]
  }
  return [...user, ...passed, ...callerBoxes(decision, services), { name: service, role: 'this service' }]
}

/** The last account of verified evidence is the caller's. */
function callerBoxes({ caller, chain, outcome }: DecisionEvent, services: ServiceByAccount): Box[] {
  if (caller === undefined) {
    return outcome === 'refused'
      ? [{ name: 'unverified', role: 'caller' }]
      : [{ name: 'nobody', role: 'caller' }]
  }
  if (caller.kind === 'anonymous') return [{ name: 'nobody', role: 'caller' }]
  if (caller.kind === 'user') return [{ name: caller.subject, role: 'user, by themselves' }]
  return chain?.at(-1) === caller.subject ? [] : [accountBox(caller.subject, services)]
}

function accountBox(account: string, services: ServiceByAccount): Box {
  const service = services.get(account)
  return service === undefined ? { name: account, role: 'service account' } : { name: service, role: account }
}
