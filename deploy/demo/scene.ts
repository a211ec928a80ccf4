// What happens to a mesh under load, and what is seen of it.
import type { AssertionForm } from './app.ts'
import type { Issuing } from './certificates.ts'
import type { Visit } from './chains.ts'
import type { Load } from './load.ts'
import type { Pomerium } from './pomerium.ts'
import type { Redis } from './redis.ts'
import type { Service, ServiceName, Topology } from './topology.ts'

export interface Scene extends Issuing {
  readonly redis: Redis
  readonly pomerium: Pomerium
  readonly load: Load
}

export interface Happening {
  readonly title: string
  /** Makes it happen, and waits until every sidecar knows. */
  readonly happen: () => Promise<Seen>
}

export interface Seen {
  readonly text: string
  readonly isRight: boolean
}

const order: readonly ServiceName[] = ['App', 'API', 'Ledger']

/** The assertion with which a service was called in that request. */
export function assertionAt(asked: Visit | undefined, service: ServiceName): AssertionForm | undefined {
  return asked?.answers[order.indexOf(service)]?.assertion
}

/** Whether it is so for each of the services. */
export async function isSoForAll(
  { services }: Topology,
  isSo: (service: Service) => Promise<boolean>,
): Promise<boolean> {
  return (await Promise.all(Object.values(services).map(isSo))).every(Boolean)
}
