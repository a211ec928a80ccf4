// The state of the sidecar as the inspector page shows it: no secret, and nothing of users but how many.
import type { Configuration } from '../configuration.ts'
import { maxStaleMs } from '../keys/issuer-keys.ts'
import type { Runtime } from '../runtime.ts'
import { edgeBounds, type Traffic } from '../telemetry/traffic.ts'
import { version } from '../version.ts'
import { describeKeys, describeSessions } from './describe.ts'
import type { KeyRow, ServiceState } from './page/protocol.ts'

export interface Stated {
  readonly runtime: Runtime
  readonly traffic: Traffic
}

export interface StateSource {
  readonly notReady: () => readonly string[]
  readonly now: () => number
  /** Milliseconds since the epoch; the same in all states of one start. */
  readonly startedAtMs: number
}

export function describeState(
  { runtime, traffic }: Stated,
  configuration: Configuration,
  { notReady, now, startedAtMs }: StateSource,
  unsentDecisions: number,
): ServiceState {
  const { mesh } = configuration.current.snapshot
  return {
    service: mesh.service,
    version,
    mode: mesh.mode,
    atMs: now(),
    startedAtMs,
    notReady: notReady(),
    edges: traffic.edges(),
    bounds: edgeBounds,
    keys: keyRows(runtime, configuration),
    waitingFor: configuration.waitingFor(),
    sessions: describeSessions(runtime.sessions),
    configuration: {
      file: configuration.file,
      loadedAtMs: configuration.loadedAtMs,
      problems: configuration.problems,
    },
    unsentDecisions,
  }
}

function keyRows({ revocations }: Runtime, { current }: Configuration): KeyRow[] {
  const { issuers, roots, account } = describeKeys(current, revocations)
  return [
    ...issuers.flatMap(({ issuer, key_ids: ids, revoked_key_ids: revoked, usable_until: until }) =>
      ids.map((id): KeyRow => ({
        kind: 'issuer',
        of: issuer,
        id,
        usableUntil: until,
        since: until === undefined ? undefined : new Date(Date.parse(until) - maxStaleMs).toISOString(),
        revoked: revoked.includes(id),
      })),
    ),
    ...roots.map(({ issuer, fingerprint256, valid_to: validTo }): KeyRow => ({
      kind: 'root',
      of: issuer,
      id: fingerprint256,
      usableUntil: new Date(validTo).toISOString(),
      since: undefined,
      revoked: false,
    })),
    ...(account === undefined
      ? []
      : [
          {
            kind: 'account',
            of: account.account,
            id: account.key_id,
            usableUntil: account.valid_to,
            since: undefined,
            revoked: account.revoked,
          } satisfies KeyRow,
        ]),
  ]
}
