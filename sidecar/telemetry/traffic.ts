// Who calls whom, counted: the edges between services that the inspector page draws, of what this sidecar sees.
import type { Mesh } from '../../shared/config/mesh.ts'
import type { Decision } from '../../shared/decision.ts'
import { meshIssuerName } from '../../shared/identity.ts'
import type { Ending } from './ending.ts'
import { bucketOf } from './metrics.ts'
import { durationBounds } from './semantic.ts'

/** What was counted of one edge since the start. Differences between two of them are rates. */
export interface Edge {
  /** Who calls: a service, an account of none, `users`, `nobody`, or `unverified`. */
  readonly from: string
  /** Who is called: a service, or `elsewhere` for hosts that no route names. */
  readonly to: string
  /** Which side counted it. An edge between two services is counted by both of them. */
  readonly direction: 'inbound' | 'outbound'
  readonly requests: number
  /** Of the requests, those that were refused here. */
  readonly refused: number
  /** Of the requests, those that failed after they were permitted: no answer, or a status of 5xx. */
  readonly failed: number
  /** Refusals and failures by code. */
  readonly codes: Readonly<Record<string, number>>
  /** How many took at most so many seconds as {@link edgeBounds} say, each counted once; the last: longer. */
  readonly buckets: readonly number[]
}

/** In seconds. */
export const edgeBounds: readonly number[] = [0.0005, 0.001, 0.0025, ...durationBounds]

const maxEdges = 500

interface Counted {
  readonly from: string
  readonly to: string
  readonly direction: Edge['direction']
  requests: number
  refused: number
  failed: number
  readonly codes: Map<string, number>
  readonly buckets: number[]
}

export class Traffic {
  readonly #mesh: () => Mesh
  readonly #edges: Counted[] = []
  /** By direction, who calls, and who is called. */
  readonly #found = {
    inbound: new Map<string, CountedByCallee>(),
    outbound: new Map<string, CountedByCallee>(),
  }
  /** Of one mesh. */
  #services: Services | undefined

  constructor(mesh: () => Mesh) {
    this.#mesh = mesh
  }

  count(decision: Decision, ending: Ending): void {
    const edge = this.#edgeOf(decision)
    edge.requests++
    const bucket = bucketOf(ending.durationMs / 1000, edgeBounds)
    edge.buckets[bucket] = (edge.buckets[bucket] as number) + 1
    const isRefused = decision.outcome === 'refused'
    if (isRefused) edge.refused++
    else if (hasFailed(decision, ending)) edge.failed++
    const code = decision.code ?? ending.code
    if (code !== undefined) edge.codes.set(code, (edge.codes.get(code) ?? 0) + 1)
  }

  edges(): Edge[] {
    return this.#edges.map(({ codes, buckets, ...edge }) => ({
      ...edge,
      codes: Object.fromEntries(codes),
      buckets: [...buckets],
    }))
  }

  #edgeOf(decision: Decision): Counted {
    const { direction } = decision
    const services = this.#servicesNow()
    const { service } = services.mesh
    const isInbound = direction === 'inbound'
    const from = isInbound ? callerOf(decision, services) : service
    const to = isInbound ? service : calleeOf(decision, services)
    const known = this.#found[direction].get(from)?.get(to)
    if (known !== undefined) return known
    // A mesh has few services; what other meshes may call their accounts has no bound.
    const isTooMany = this.#edges.length >= maxEdges
    return isTooMany ? this.#othersOf(direction, service) : this.#add(direction, from, to)
  }

  #othersOf(direction: Edge['direction'], service: string): Counted {
    return this.#found[direction].get(others)?.get('') ?? this.#add(direction, others, service, '')
  }

  /** @param key by which it is found, where that is not who is called. */
  #add(direction: Edge['direction'], from: string, to: string, key = to): Counted {
    const buckets = Array.from({ length: edgeBounds.length + 1 }, () => 0)
    const edge = { from, to, direction, requests: 0, refused: 0, failed: 0, codes: new Map(), buckets }
    this.#edges.push(edge)
    const byCallee = this.#found[direction].get(from) ?? new Map<string, Counted>()
    this.#found[direction].set(from, byCallee.set(key, edge))
    return edge
  }

  #servicesNow(): Services {
    const mesh = this.#mesh()
    if (this.#services?.mesh !== mesh) this.#services = servicesOf(mesh)
    return this.#services
  }
}

type CountedByCallee = Map<string, Counted>

const others = 'others'

/** Which service stands behind what a decision names. */
interface Services {
  readonly mesh: Mesh
  readonly byAccount: ReadonlyMap<string, string>
  readonly byRoute: ReadonlyMap<string, string>
}

function servicesOf(mesh: Mesh): Services {
  const byAccount = new Map<string, string>()
  for (const [service, accounts] of mesh.accountsByService) {
    for (const account of accounts) if (!byAccount.has(account)) byAccount.set(account, service)
  }
  const byRoute = new Map<string, string>()
  for (const { name, service } of mesh.routes) if (!byRoute.has(name)) byRoute.set(name, service)
  return { mesh, byAccount, byRoute }
}

function callerOf({ caller, code }: Decision, { byAccount }: Services): string {
  if (caller === undefined)
    return code === undefined || code === 'assertion_missing' ? 'nobody' : 'unverified'
  if (caller.kind === 'user') return 'users'
  if (caller.kind === 'anonymous') return 'nobody'
  if (caller.issuer !== meshIssuerName) return `${caller.issuer}/${caller.subject}`
  return byAccount.get(caller.subject) ?? caller.subject
}

function calleeOf({ route }: Decision, { byRoute }: Services): string {
  return route === undefined ? 'elsewhere' : (byRoute.get(route) ?? route)
}

/** What passes as bytes has no answer, and so no status. */
function hasFailed({ protocol }: Decision, { status, code }: Ending): boolean {
  if (protocol === undefined) return code !== undefined
  return status === undefined || status >= 500
}
