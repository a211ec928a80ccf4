// What is seen of the addresses of routes: those that take no connection, and when they do again.
import type { BalancerEvents } from '../upstream/balancers.ts'
import { describeError, type Log } from './log.ts'
import type { Metrics } from './metrics.ts'

export function upstreamEvents(metrics: Metrics, log: Log): BalancerEvents {
  const aside = metrics.counter({
    name: 'onbehalf.upstream.set_aside',
    unit: '{address}',
    help: 'Times that an address of a route was set aside, since it took no connection.',
  })
  return {
    onAside({ name }, address, cause, forMs) {
      aside.add({ route: name })
      log.write('warn', 'an address of a route is set aside', {
        route: name,
        address,
        for_ms: forMs,
        cause: describeError(cause),
      })
    },
    onBack({ name }, address) {
      log.write('info', 'an address of a route takes connections again', { route: name, address })
    },
  }
}
