// The balancers of routes, as long as their configuration is in effect.
import { isIP } from 'node:net'
import type { Endpoint, Route, Upstream } from '../../shared/config/mesh.ts'
import { Balancer } from './balancer.ts'
import { Names } from './names.ts'

export interface BalancerEvents {
  onAside(route: Route, place: string, cause: unknown, forMs: number): void
  onBack(route: Route, place: string): void
}

/** Where calls to a route go: straight to its service, or to the Pomerium before it. */
export interface Goal {
  readonly upstream: Endpoint
  /** Undefined: there is one address. */
  readonly balancer: Balancer | undefined
}

export class Balancers {
  readonly #events: BalancerEvents
  readonly #names = new Names()
  readonly #goals = new WeakMap<Route, Goal>()

  constructor(events: BalancerEvents) {
    this.#events = events
  }

  goalOf(route: Route): Goal {
    let goal = this.#goals.get(route)
    if (goal === undefined) {
      goal = this.#makeGoal(route)
      this.#goals.set(route, goal)
    }
    return goal
  }

  #makeGoal(route: Route): Goal {
    const upstreams = upstreamsOf(route)
    const [{ endpoint: upstream }] = upstreams
    const isOne = upstreams.length === 1 && isIP(upstream.host) !== 0
    return { upstream, balancer: isOne ? undefined : this.#makeBalancer(route, upstreams) }
  }

  #makeBalancer(route: Route, upstreams: readonly Upstream[]): Balancer {
    return new Balancer({
      upstreams,
      names: this.#names,
      now: () => performance.now(),
      onAside: (place, cause, forMs) => this.#events.onAside(route, place, cause, forMs),
      onBack: (place) => this.#events.onBack(route, place),
    })
  }
}

function upstreamsOf({ via, from, to }: Route): Route['to'] {
  return via === 'mesh' ? to : [{ endpoint: from, weight: undefined }]
}
