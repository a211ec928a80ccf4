// Who calls whom, counted: the edges between services that the inspector page draws, of what this sidecar sees.
import type { Mesh } from '../../shared/config/mesh.ts'
import type { Decision } from '../../shared/decision.ts'
import { meshIssuerName } from '../../shared/identity.ts'
import type { Ending } from './ending.ts'
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
  readonly #edges = new Map<string, Counted>()

  constructor(mesh: () => Mesh) {
    this.#mesh = mesh
  }

  count(decision: Decision, ending: Ending): void {
    const edge = this.#edgeOf(decision)
    edge.requests++
    const seconds = ending.durationMs / 1000
    const at = edgeBounds.findIndex((bound) => seconds <= bound)
    const bucket = at === -1 ? edgeBounds.length : at
    edge.buckets[bucket] = (edge.buckets[bucket] as number) + 1
    const isRefused = decision.outcome === 'refused'
    if (isRefused) edge.refused++
    else if (hasFailed(decision, ending)) edge.failed++
    const code = decision.code ?? ending.code
    if (code !== undefined) edge.codes.set(code, (edge.codes.get(code) ?? 0) + 1)
  }

  edges(): Edge[] {
    return [...this.#edges.values()].map(({ codes, buckets, ...edge }) => ({
      ...edge,
      codes: Object.fromEntries(codes),
      buckets: [...buckets],
    }))
  }

  #edgeOf(decision: Decision): Counted {
    const { direction } = decision
    const { service, routes } = this.#mesh()
    const isInbound = direction === 'inbound'
    const from = isInbound ? this.#callerOf(decision) : service
    const to = isInbound ? service : calleeOf(decision, routes)
    const key = `${direction} ${from} ${to}`
    const known = this.#edges.get(key)
    if (known !== undefined) return known
    if (this.#edges.size >= maxEdges) return this.#others(direction)
    return this.#add(key, from, to, direction)
  }

  /** A mesh has few services; what other meshes may call their accounts has no bound. */
  #others(direction: Edge['direction']): Counted {
    const key = `${direction} others`
    return this.#edges.get(key) ?? this.#add(key, 'others', this.#mesh().service, direction)
  }

  #add(key: string, from: string, to: string, direction: Edge['direction']): Counted {
    const buckets = Array.from({ length: edgeBounds.length + 1 }, () => 0)
    const edge = { from, to, direction, requests: 0, refused: 0, failed: 0, codes: new Map(), buckets }
    this.#edges.set(key, edge)
    return edge
  }

  #callerOf({ caller, code }: Decision): string {
    if (caller === undefined)
      return code === undefined || code === 'assertion_missing' ? 'nobody' : 'unverified'
    if (caller.kind === 'user') return 'users'
    if (caller.kind === 'anonymous') return 'nobody'
    if (caller.issuer !== meshIssuerName) return `${caller.issuer}/${caller.subject}`
    const { accountsByService } = this.#mesh()
    const owner = [...accountsByService].find(([, accounts]) => accounts.has(caller.subject))
    return owner?.[0] ?? caller.subject
  }
}

/** What passes as bytes has no answer, and so no status. */
function hasFailed({ protocol }: Decision, { status, code }: Ending): boolean {
  if (protocol === undefined) return code !== undefined
  return status === undefined || status >= 500
}

function calleeOf({ route: name }: Decision, routes: Mesh['routes']): string {
  if (name === undefined) return 'elsewhere'
  return routes.find((route) => route.name === name)?.service ?? name
}
