// Revocation in one sidecar: what it knows, whom it tells, and what is ended by it.
import { makeEntry, type Revocation } from '../shared/revocation.ts'
import type { Mesh } from '../shared/config/mesh.ts'
import { OpenExchanges, type EndingRules } from './open-exchanges.ts'
import { createRevocationWriter, hasCredential, type Reach } from './revocation-writer.ts'
import { RevocationSync } from './revocation-sync.ts'
import { RevocationList } from './revocations.ts'
import type { Store } from './store/store.ts'
import type { Log } from './telemetry/log.ts'
import type { Metrics } from './telemetry/metrics.ts'

export interface RevokingOptions {
  readonly store: Store
  readonly mesh: () => Mesh
  readonly metrics: Metrics
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Opens the store as whoever may revoke. */
  readonly openAsRevoker: (user: RevokerUser) => Promise<Store>
}

type RevokerUser = NonNullable<Extract<Mesh['store'], { kind: 'redis' }>['revoker']>

/** `local`: there is no store, and so nobody else to tell. */
export type Revoked = Reach | { readonly kind: 'local' }

export interface Revoking {
  readonly list: RevocationList
  readonly exchanges: OpenExchanges
  /** Resolves when what was revoked before is known, or the store does not say so within a second. */
  start(): Promise<void>
  /** Is in effect here when it returns; the promise says who else was told. Never rejects. */
  revoke(revocation: Revocation, forSeconds: number): Promise<Revoked>
  /** To be called each second: ends what has expired, and now and then forgets it. */
  sweep(): void
  close(): Promise<void>
}

/** Each time all that is known is looked at. */
const sweepIntervalMs = 60_000

export function createRevoking({ store, mesh, metrics, log, now, openAsRevoker }: RevokingOptions): Revoking {
  const isShared = store.kind === 'redis'
  const maxAgeMs = () => (isShared ? mesh().revocationMaxAgeMs : 0)
  const list = new RevocationList({ now, maxAgeMs })
  const rules: EndingRules = {
    endAt: () => (mesh().mode === 'enforce' ? mesh().streamsEndAt : 'never'),
    graceMs: () => (mesh().evidence === 'off' ? 0 : mesh().originalUserGraceMs),
  }
  const ended = metrics.counter({
    name: 'onbehalf.exchanges_ended',
    unit: '{request}',
    help: 'Requests under way that were ended, by what ended them.',
  })
  const exchanges = new OpenExchanges(list, rules, ended)
  list.watch(() => exchanges.endRevoked())
  const rejected = metrics.counter({
    name: 'onbehalf.revocations_rejected',
    unit: '{entry}',
    help: 'Entries of the store that were not taken as revocations, each time that they were read, by reason.',
  })
  addGauges(metrics, list, isShared)
  const write = createRevocationWriter(
    store,
    () => list.floorSeconds,
    async () => {
      const settings = mesh().store
      const user = settings.kind === 'redis' ? settings.revoker : undefined
      return user !== undefined && (await hasCredential(user)) ? openAsRevoker(user) : undefined
    },
  )
  const sync = isShared
    ? new RevocationSync({
        store,
        list,
        write,
        log,
        now,
        random: Math.random,
        maxAgeMs,
        onRejected: (reason) => rejected.add({ reason }),
      })
    : undefined
  let sweptMs = now()
  return {
    list,
    exchanges,
    start: async () => sync?.start(),
    async revoke(revocation, forSeconds) {
      const entry = makeEntry(revocation, forSeconds, now())
      list.revoke(entry)
      return sync === undefined ? { kind: 'local' } : sync.tell(entry)
    },
    sweep() {
      exchanges.endExpired(now())
      if (Math.abs(now() - sweptMs) < sweepIntervalMs) return
      sweptMs = now()
      list.sweep()
    },
    close: async () => sync?.close(),
  }
}

function addGauges(metrics: Metrics, list: RevocationList, isShared: boolean): void {
  metrics.gauge(
    { name: 'onbehalf.revocations', unit: '{revocation}', help: 'Revocations that are known here.' },
    () => [[{}, list.size]],
  )
  metrics.gauge(
    {
      name: 'onbehalf.revocations_heard_timestamp',
      unit: 's',
      help: 'When all revocations were last heard of from the store.',
    },
    () => (isShared && list.heardMs > 0 ? [[{}, list.heardMs / 1000]] : []),
  )
}
