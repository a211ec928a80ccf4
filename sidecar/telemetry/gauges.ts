// Values that are read when somebody asks: what is under way, kept, loaded, and about to end.
import type { Configuration } from '../configuration.ts'
import type { Side } from '../exchange.ts'
import { maxStaleMs } from '../keys/issuer-keys.ts'
import type { LoadShedder } from '../load-shedder.ts'
import type { Sessions } from '../sessions.ts'
import { version } from '../version.ts'
import type { Metrics, Sample } from './metrics.ts'

const seconds = (ms: number) => Math.floor(ms / 1000)

export function addGauges(
  metrics: Metrics,
  configuration: Configuration,
  sessions: Sessions,
  sides: Readonly<Record<string, Side>>,
  shedder: LoadShedder,
): void {
  const gauge = (name: string, unit: string, help: string, read: () => readonly Sample[]) =>
    metrics.gauge({ name, unit, help }, read)
  gauge(
    'onbehalf.active_requests',
    '{request}',
    'What is under way and counts for limits.concurrent_requests, tunnels among it.',
    () => Object.entries(sides).map(([direction, side]) => [{ direction }, side.admission.active]),
  )
  gauge('onbehalf.shedding', '', 'Whether load is shed: more comes than the event loop can carry.', () => [
    [{}, shedder.isShedding ? 1 : 0],
  ])
  gauge('onbehalf.sessions', '{session}', 'Live sessions, by state.', () => [
    [{ state: 'active' }, sessions.size - sessions.lingering],
    [{ state: 'lingering' }, sessions.lingering],
  ])
  gauge('onbehalf.session', 'By', 'Memory that sessions count for.', () => [[{}, sessions.bytes]])
  gauge(
    'onbehalf.verified_links',
    '{link}',
    'Links of evidence whose signature is remembered as good.',
    () => [[{}, configuration.current.snapshot.trust.links.size]],
  )
  gauge('onbehalf.build_info', '', 'The version that runs.', () => [[{ version }, 1]])
  addKeyGauges(gauge, configuration)
  gauge('onbehalf.failed_reloads', '{reload}', 'Reloads refused since the last one that took effect.', () => [
    [{}, configuration.failedReloads],
  ])
  gauge('onbehalf.config_loaded_timestamp', 's', 'When the mesh file in effect was loaded.', () => [
    [{}, seconds(configuration.loadedAtMs)],
  ])
}

function addKeyGauges(
  gauge: (name: string, unit: string, help: string, read: () => readonly Sample[]) => void,
  configuration: Configuration,
): void {
  const keysByIssuer = () => [...configuration.current.snapshot.trust.keysByIssuer]
  gauge('onbehalf.issuer.keys', '{key}', 'Keys of each issuer that are in use.', () => [
    ...configuration.waitingFor().map((issuer): Sample => [{ issuer }, 0]),
    ...keysByIssuer().map(([issuer, { keys }]): Sample => [{ issuer }, keys.byId.size]),
  ])
  gauge(
    'onbehalf.issuer.keys_fetched_timestamp',
    's',
    'When the keys of each issuer were last fetched with success.',
    () =>
      keysByIssuer().map(([issuer, { usableUntilMs }]) => [{ issuer }, seconds(usableUntilMs - maxStaleMs)]),
  )
  gauge('onbehalf.credential.expiry_timestamp', 's', 'When the certificate of the account ends.', () => {
    const { minter } = configuration.current.credential
    return minter === undefined ? [] : [[{ account: minter.account }, seconds(minter.notAfterMs)]]
  })
}
