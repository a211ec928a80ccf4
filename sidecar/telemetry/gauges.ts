// Values that are read when `/metrics` is asked: what is under way, kept, loaded, and about to end.
import type { Configuration } from '../configuration.ts'
import type { Side } from '../exchange.ts'
import type { Sessions } from '../sessions.ts'
import type { Metrics } from './metrics.ts'

export function addGauges(
  metrics: Metrics,
  configuration: Configuration,
  sessions: Sessions,
  sides: Readonly<Record<string, Side>>,
): void {
  metrics.gauge('onbehalf_active_requests', 'Requests under way.', () =>
    Object.entries(sides).map(([direction, side]) => [{ direction }, side.admission.active]),
  )
  metrics.gauge('onbehalf_sessions', 'Live sessions, by state.', () => [
    [{ state: 'active' }, sessions.size - sessions.lingering],
    [{ state: 'lingering' }, sessions.lingering],
  ])
  metrics.gauge('onbehalf_session_bytes', 'Memory that sessions count for.', () => [[{}, sessions.bytes]])
  metrics.gauge('onbehalf_issuer_keys', 'Keys of each issuer that are in use.', () =>
    [...configuration.current.snapshot.trust.keysByIssuer].map(([issuer, { keys }]) => [
      { issuer },
      keys.byId.size,
    ]),
  )
  metrics.gauge('onbehalf_verified_links', 'Links of evidence whose signature is remembered as good.', () => [
    [{}, configuration.current.snapshot.trust.links.size],
  ])
  metrics.gauge(
    'onbehalf_credential_expiry_timestamp_seconds',
    'When the certificate of the account ends.',
    () => {
      const { minter } = configuration.current.credential
      return minter === undefined ? [] : [[{ account: minter.account }, Math.floor(minter.notAfterMs / 1000)]]
    },
  )
  metrics.gauge('onbehalf_failed_reloads', 'Reloads refused since the last one that took effect.', () => [
    [{}, configuration.failedReloads],
  ])
}
