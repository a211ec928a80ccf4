// What `/metrics` says of the store: whether it answers, what was asked of it, and what in it was not to be believed.
import type { StoreEvents } from '../store/redis.ts'
import type { Store } from '../store/store.ts'
import type { Metrics } from './metrics.ts'

/** To be made before the store is opened. */
export function storeEvents(metrics: Metrics): StoreEvents {
  const commands = metrics.counter({
    name: 'onbehalf.store.commands',
    unit: '{command}',
    help: 'What the store was asked, by outcome; open: it was not asked, since it is known to be away.',
  })
  const reconnects = metrics.counter({
    name: 'onbehalf.store.reconnects',
    unit: '{connection}',
    help: 'Connections to the store that came in the place of another.',
  })
  return {
    onCommand: (command, outcome) => commands.add({ command, outcome }),
    onReconnect: (connection) => reconnects.add({ connection }),
  }
}

/** @param rejected entries that were not what they should be, by what they stood for: somebody else wrote them. */
export function addStoreGauges(
  metrics: Metrics,
  store: Store,
  rejected: () => Readonly<Record<string, number>>,
): void {
  if (store.kind === 'memory') return
  metrics.gauge({ name: 'onbehalf.store.up', unit: '', help: 'Whether the store answers in time.' }, () => [
    [{}, store.isUp ? 1 : 0],
  ])
  metrics.gauge(
    {
      name: 'onbehalf.store.rejected_entries',
      unit: '{entry}',
      help: 'Entries of the store that were not what they should be, since the start: somebody else writes there.',
    },
    () => Object.entries(rejected()).map(([kind, count]) => [{ kind }, count]),
  )
}
