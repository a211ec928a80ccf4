// Opens the store that the mesh file names.
import type { RedisUser, StoreSettings } from '../../shared/config/mesh.ts'
import type { Log } from '../telemetry/log.ts'
import { createMemoryStore } from './memory.ts'
import type { StoreEvents } from './redis.ts'
import type { Store } from './store.ts'

export interface OpenStoreOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: Log
  readonly events?: StoreEvents
  /** Instead of the user of the settings: `revoker` for whoever revokes. */
  readonly user?: RedisUser
}

/**
 * Never rejects for a store that is away: it is looked for in the background. Live state: to be closed.
 */
export async function openStore(settings: StoreSettings, options: OpenStoreOptions): Promise<Store> {
  if (settings.kind === 'memory') return createMemoryStore(options.now)
  const { openRedis } = await import('./redis.ts')
  return openRedis(settings, options)
}
