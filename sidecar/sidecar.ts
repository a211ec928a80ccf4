// One sidecar: wires the sides, the listeners and the live state, and takes them down again in order.
import type { Server } from 'node:http'
import type { AddressInfo, Server as NetServer } from 'node:net'
import type { ListenAddress, Mesh } from '../shared/config/mesh.ts'
import { Refusal } from '../shared/errors.ts'
import { createAdmin } from './admin/admin.ts'
import { createProbes } from './admin/probes.ts'
import { describeConfig, describeKeys, describeSessions, publishedKeySet } from './admin/describe.ts'
import { createAdminToken, defaultAdminTokenFile, type AdminToken } from './admin/token.ts'
import { openConfiguration, type Configuration, type ConfigurationOptions } from './configuration.ts'
import { Admission, handle, type Side } from './exchange.ts'
import { listen, makeServer, peerAddress, stopAccepting } from './http/server.ts'
import { createInbound } from './inbound.ts'
import { createOutbound } from './outbound.ts'
import { RevocationList } from './revocations.ts'
import type { Runtime } from './runtime.ts'
import { Sessions } from './sessions.ts'
import { createLog, type Log, type LogOutput } from './telemetry/log.ts'
import { Metrics } from './telemetry/metrics.ts'
import { Recorder } from './telemetry/recorder.ts'
import { tunnel } from './tunnel.ts'
import { UsedTokens } from './used-tokens.ts'

export interface SidecarOptions extends ConfigurationOptions {
  readonly output: LogOutput
  readonly env: NodeJS.ProcessEnv
  /** Called when the admin listener is told to shut down. */
  readonly onShutdown: () => void
}

export interface Sidecar {
  readonly mesh: Mesh
  readonly log: Log
  readonly adminToken: AdminToken
  readonly addresses: Readonly<Record<keyof Mesh['listen'], readonly AddressInfo[]>>
  /** Why it is not ready; empty when it is. */
  notReady(): readonly string[]
  reload(why: string): Promise<void>
  /** Serves on what is open, refuses what is new; resolves when nothing is under way or `timeouts.drain` is over. */
  drain(): Promise<void>
  /** Drains, then closes all. */
  stop(): Promise<void>
}

/**
 * Starts a sidecar; resolves when its listeners are open.
 * @throws {ConfigurationFault} the mesh file, or a file that it names, cannot be used.
 * @throws {Error} an address cannot be bound.
 */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const configuration = await openConfiguration(options)
  const { mesh } = configuration.current.snapshot
  const log = createLog(mesh.log, options.output, options.now)
  for (const warning of configuration.warnings) log.write('warn', warning)
  const parts = assemble(configuration, log, options)
  const adminToken = await createAdminToken(
    mesh.adminTokenFile ?? defaultAdminTokenFile(mesh.service, options.env),
  )
  const draining: { done?: Promise<void> } = {}
  const notReady = () => reasonsNotReady(configuration, draining.done !== undefined, options.now())
  const beginDrain = () => (draining.done ??= drain(parts, servers, configuration, log))
  const servers = makeServers(parts, configuration, log, { notReady, beginDrain, adminToken, ...options })
  try {
    const addresses = await openAll(servers, mesh)
    parts.setOwnPorts(
      Object.values(addresses)
        .flat()
        .map(({ port }) => port),
    )
    await configuration.start(log)
    log.write('info', 'listening', { service: mesh.service, ...describeAddresses(addresses) })
    const sweeper = setInterval(() => parts.runtime.sessions.sweep(), 1_000)
    sweeper.unref()
    let stopped: Promise<void> | undefined
    const stop = async () => {
      await beginDrain()
      clearInterval(sweeper)
      await closeAll(parts, servers, configuration, adminToken)
      log.write('info', 'stopped')
    }
    return {
      mesh,
      log,
      adminToken,
      addresses,
      notReady,
      reload: (why) => configuration.reload(why),
      drain: beginDrain,
      stop: () => (stopped ??= stop()),
    }
  } catch (error) {
    for (const server of Object.values(servers).flat()) server.close()
    await Promise.all([configuration.close(), adminToken.remove()])
    throw error
  }
}

interface Parts {
  readonly runtime: Runtime
  readonly metrics: Metrics
  readonly revocations: RevocationList
  readonly inbound: Side & { close(): void }
  readonly outbound: Side & { close(): void }
  setOwnPorts(ports: readonly number[]): void
}

function assemble(configuration: Configuration, log: Log, { now, output }: SidecarOptions): Parts {
  const meshNow = () => configuration.current.snapshot.mesh
  const metrics = new Metrics()
  const recorder = new Recorder({ log, metrics, access: () => meshNow().log.access, output })
  const sessions = new Sessions({
    service: meshNow().service,
    now,
    maxBytes: () => meshNow().limits.sessionBytes,
    lingerMs: () => meshNow().timeouts.lingerMs,
  })
  const revocations = new RevocationList()
  let ownPorts: ReadonlySet<number> = new Set()
  const runtime: Runtime = {
    current: () => configuration.current,
    refetchKeys: (issuer) => configuration.refetch(issuer),
    sessions,
    usedTokens: new UsedTokens(),
    revocations,
    recorder,
    now,
    ownPorts: () => ownPorts,
  }
  const inbound = createInbound(runtime, new Admission())
  const outbound = createOutbound(runtime, new Admission())
  addGauges(metrics, configuration, sessions, { inbound, outbound })
  const setOwnPorts = (ports: readonly number[]) => {
    ownPorts = new Set(ports)
  }
  return { runtime, metrics, revocations, inbound, outbound, setOwnPorts }
}

function addGauges(
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

function reasonsNotReady(configuration: Configuration, stopping: boolean, nowMs: number): readonly string[] {
  const reasons = configuration.waitingFor().map((issuer) => `the keys of issuer ${issuer} were never loaded`)
  const { minter } = configuration.current.credential
  if (minter !== undefined && minter.notAfterMs <= nowMs)
    reasons.push('the certificate of the account has expired')
  if (stopping) reasons.push('draining')
  return reasons
}

type Servers = Readonly<Record<keyof Mesh['listen'], readonly Server[]>>

interface Controls extends SidecarOptions {
  readonly adminToken: AdminToken
  notReady(): readonly string[]
  beginDrain(): Promise<void>
}

function makeServers(parts: Parts, configuration: Configuration, log: Log, controls: Controls): Servers {
  const { mesh } = configuration.current.snapshot
  const { adminToken, notReady } = controls
  const { runtime } = parts
  const onUnreadable = (refusal: Refusal, peer: string, requestId: string) =>
    log.write('info', 'unreadable request', {
      code: refusal.code,
      peer: peerAddress({ remoteAddress: peer }),
      request_id: requestId,
    })
  const serverOf = (side: Side, onConnect?: Parameters<typeof makeServer>[0]['onConnect']) =>
    makeServer({
      limits: mesh.limits,
      timeouts: mesh.timeouts,
      onUnreadable,
      onRequest: (request, response) => void handle(side, request, response),
      ...(onConnect && { onConnect }),
    })
  const { inbound, outbound } = parts
  const admin = {
    config: () => describeConfig(configuration.current.snapshot.mesh),
    keys: () => describeKeys(configuration.current),
    keySet: () => publishedKeySet(configuration.current),
    sessions: () => describeSessions(runtime.sessions),
    decisions: () => runtime.recorder.recent(),
    drain: () => void controls.beginDrain(),
    shutdown: () => controls.onShutdown(),
    setLogLevel(level: Log['level']) {
      log.level = level
    },
    revoke: (revocation: Parameters<RevocationList['revoke']>[0]) =>
      parts.revocations.revoke(revocation, controls.now()),
  }
  const each = (addresses: readonly ListenAddress[], make: () => Server) => addresses.map(make)
  return {
    inbound: each(mesh.listen.inbound, () => serverOf(inbound)),
    outbound: each(mesh.listen.outbound, () =>
      serverOf(outbound, (request, socket, head) =>
        tunnel(runtime, outbound.admission, request, socket, head),
      ),
    ),
    admin: each(mesh.listen.admin, () => createAdmin(admin, adminToken)),
    probes: each(mesh.listen.probes, () => createProbes({ notReady, metrics: () => parts.metrics.format() })),
  }
}

async function openAll(servers: Servers, mesh: Mesh): Promise<Sidecar['addresses']> {
  const open = (which: keyof Mesh['listen']) =>
    Promise.all(
      servers[which].map((server, i) => listen(server as NetServer, mesh.listen[which][i] as ListenAddress)),
    )
  // The sides last: whoever can connect there is served.
  const [admin, probes] = [await open('admin'), await open('probes')]
  return { admin, probes, outbound: await open('outbound'), inbound: await open('inbound') }
}

function describeAddresses(addresses: Sidecar['addresses']): Record<string, string> {
  const text = ({ address, port, family }: AddressInfo) =>
    family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
  return Object.fromEntries(
    Object.entries(addresses).map(([which, list]) => [which, list.map(text).join(' ')]),
  )
}

/**
 * DESIGN section 7: open connections are served on with `Connection: close`; idle ones stay for `drain_delay`; after
 * that new requests are `draining`. The outbound side serves until the requests that need it have ended.
 */
async function drain(parts: Parts, servers: Servers, configuration: Configuration, log: Log): Promise<void> {
  const { timeouts } = configuration.current.snapshot.mesh
  const { inbound, outbound } = parts
  log.write('info', 'draining', { under_way: inbound.admission.active + outbound.admission.active })
  inbound.admission.closing = true
  await sleep(timeouts.drainDelayMs)
  inbound.admission.draining = true
  for (const server of servers.inbound) stopAccepting(server)
  const late = AbortSignal.timeout(timeouts.drainMs)
  await untilIdle(inbound.admission, late)
  outbound.admission.closing = true
  await untilIdle(outbound.admission, late)
  outbound.admission.draining = true
  const left = inbound.admission.active + outbound.admission.active
  if (left > 0) log.write('warn', 'requests were still under way after timeouts.drain', { under_way: left })
}

async function closeAll(
  parts: Parts,
  servers: Servers,
  configuration: Configuration,
  adminToken: AdminToken,
): Promise<void> {
  for (const server of Object.values(servers).flat()) {
    server.close()
    server.closeAllConnections()
  }
  parts.inbound.close()
  parts.outbound.close()
  await Promise.all([configuration.close(), adminToken.remove()])
}

async function untilIdle(admission: Admission, late: AbortSignal): Promise<void> {
  if (late.aborted) return
  const isLate = new Promise<void>((resolve) =>
    late.addEventListener('abort', () => resolve(), { once: true }),
  )
  await Promise.race([admission.idle(), isLate])
}

async function sleep(delayMs: number): Promise<void> {
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
}
