// One sidecar: wires the sides, the listeners and the live state, and takes them down again in order.
import type { Revocations } from '../shared/assertion/verify.ts'
import type { Mesh } from '../shared/config/mesh.ts'
import type { AdminSubject } from './admin/admin.ts'
import { readAppProbes, type AppProbes } from './admin/app-probes.ts'
import { describeConfig, describeKeys, describeSessions, publishedKeySet } from './admin/describe.ts'
import { Drained } from './admin/drained.ts'
import { judgeToken } from './admin/judge.ts'
import { describeState } from './admin/state.ts'
import { createAdminToken, defaultAdminTokenFile, openAdminToken, type AdminToken } from './admin/token.ts'
import { Certificates } from './certificates.ts'
import { Configuration, ConfigurationFault, load, type ConfigurationOptions } from './configuration.ts'
import { drainInbound, drainOutbound, overAfter, type Draining } from './drain.ts'
import { LocalAddresses } from './egress.ts'
import { eventLoop } from './event-loop.ts'
import { Admission, type Side } from './exchange.ts'
import { createInbound } from './inbound.ts'
import { createInterception, type Interception } from './interception/interception.ts'
import { createOriginalDestinations, type OriginalDestinations } from './interception/original-destination.ts'
import { describeAddresses, makeServers, openAll, type Addresses } from './listeners.ts'
import { LoadShedder } from './load-shedder.ts'
import { createOutbound } from './outbound.ts'
import { createRevoking, type Revoking } from './revoking.ts'
import type { Runtime } from './runtime.ts'
import { Sessions } from './sessions.ts'
import { SharedSessions } from './shared-sessions.ts'
import { openStore } from './store/open-store.ts'
import type { Store } from './store/store.ts'
import { createSessionStatements } from './session-statements.ts'
import { boundOutput } from './telemetry/bounded-output.ts'
import { addGauges } from './telemetry/gauges.ts'
import { createLog, type Log, type LogOutput } from './telemetry/log.ts'
import { Metrics } from './telemetry/metrics.ts'
import { Recorder } from './telemetry/recorder.ts'
import { revokedFields } from './telemetry/revoked-fields.ts'
import { upstreamEvents } from './telemetry/upstream-events.ts'
import { addStoreGauges, storeEvents } from './telemetry/store-metrics.ts'
import { formatPrometheus } from './telemetry/prometheus.ts'
import { openTelemetry, type Telemetry } from './telemetry/telemetry.ts'
import { Traffic } from './telemetry/traffic.ts'
import { createTunnels, type Tunnels } from './tunnel.ts'
import { createUnhurriedClock } from './unhurried-clock.ts'
import { UsedTokens } from './used-tokens.ts'
import { verifyAnew } from './verify-anew.ts'

export interface SidecarOptions extends ConfigurationOptions {
  readonly output: LogOutput
  readonly env: NodeJS.ProcessEnv
  /** Called when the admin listener is told to shut down. */
  readonly onShutdown: () => void
  /** Aborted before the listeners are opened, it ends the start. */
  readonly stop?: AbortSignal
}

export interface Sidecar {
  readonly mesh: Mesh
  readonly log: Log
  readonly adminToken: AdminToken
  readonly addresses: Addresses
  /** Why it is not ready; empty when it is. */
  notReady(): readonly string[]
  /** Reads the mesh file and all that it names anew, and opens the file of the audit anew. */
  reload(why: string): Promise<void>
  /**
   * Serves on what is open, refuses what is new; resolves when no request to the app is under way or `timeouts.drain`
   * is over. The app can still call others.
   */
  drain(): Promise<void>
  /** Drains, then closes all. */
  stop(): Promise<void>
}

/**
 * Starts a sidecar; resolves when its listeners are open.
 * @throws {ConfigurationFault} the mesh file, or a file that it names, cannot be used.
 * @throws {Error} an address cannot be bound.
 * @throws what `stop` was aborted with.
 */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const loaded = await load(options)
  const { mesh } = loaded
  const metrics = new Metrics()
  const output = boundOutput(options.output, metrics)
  const log = createLog(mesh.log, output, options.now)
  const appProbes = openAppProbes(options.env, metrics)
  const store = await openStore(mesh.store, { now: options.now, log, events: storeEvents(metrics) })
  const revoking = createRevoking({
    store,
    mesh: () => configuration.current.snapshot.mesh,
    metrics,
    log,
    now: options.now,
    openAsRevoker: (user) => openStore(mesh.store, { now: options.now, log, user }),
  })
  const configuration = new Configuration(options, loaded, { store, revocations: revoking.list })
  const telemetry = await openTelemetry({
    mesh,
    metrics,
    log,
    env: options.env,
    naming: () => configuration.current.naming,
  })
  const parts = assemble(configuration, { store, revoking, metrics, telemetry }, log, { ...options, output })
  for (const warning of configuration.warnings) log.write('warn', warning)
  const draining: { done?: Promise<void> } = {}
  let isListening = false
  const notReady = () => [
    ...(isListening ? [] : ['the listeners are not open']),
    ...reasonsNotReady(configuration, parts.runtime.revocations, draining.done !== undefined, options.now()),
  ]
  const drained = new Drained()
  const aboutDraining = () => describeDraining(parts, { servers, http2 }, configuration, log)
  const drainApp = async () => {
    drained.begin()
    await drainInbound(aboutDraining())
    drained.finish(parts.inbound.admission.active)
  }
  const beginDrain = () => (draining.done ??= drainApp())
  const tokenFile = mesh.adminTokenFile ?? defaultAdminTokenFile(mesh.service, options.env)
  let opened: AdminToken | undefined
  const tokenCheck = { file: tokenFile, matches: (presented: string) => opened?.matches(presented) ?? false }
  const { servers, http2, tls } = makeServers(mesh, {
    ...parts,
    admin: adminSubject(parts, configuration, log, {
      ...options,
      notReady,
      onDrain: () => void beginDrain(),
    }),
    adminToken: tokenCheck,
    probes: {
      isOpen: () => isListening,
      notReady,
      metrics: () => formatPrometheus(metrics.instruments),
      appProbes,
      drained,
    },
  })
  metrics.gauge({ name: 'onbehalf.ready', unit: '', help: 'Whether /ready says so.' }, () => [
    [{}, notReady().length === 0 ? 1 : 0],
  ])
  telemetry.exportMetrics()
  tls.use(configuration.current.tls.server)
  try {
    // Before anybody can call: who was revoked before this start is not let in by it.
    await revoking.start()
    options.stop?.throwIfAborted()
    const addresses = await openAll(servers, mesh, log)
    isListening = true
    parts.setOwnPorts(
      Object.values(addresses)
        .flat()
        .map(({ port }) => port),
    )
    // Once the listeners are ours: a start that fails must not take the token of the sidecar that has them.
    const adminToken = await (mesh.adminTokenFile === undefined
      ? createAdminToken(tokenFile)
      : openAdminToken(tokenFile))
    opened = adminToken
    configuration.onReload(() => {
      tls.use(configuration.current.tls.server)
      void parts.runtime.certificates.publish()
    })
    await configuration.start(log)
    await parts.runtime.certificates.start()
    if (mesh.mode === 'report') log.write('warn', 'report mode: what would be refused is let through')
    log.write('info', 'listening', { service: mesh.service, ...describeAddresses(addresses) })
    const sweeper = setInterval(() => {
      parts.runtime.sessions.sweep()
      log.sweep()
      parts.shedder.look(performance.now())
      revoking.sweep()
    }, 1_000)
    sweeper.unref()
    let stopped: Promise<void> | undefined
    const stop = async () => {
      const { timeouts } = configuration.current.snapshot.mesh
      const late = overAfter(timeouts.drainMs, draining.done === undefined ? timeouts.drainDelayMs : 0)
      await beginDrain()
      await drainOutbound(aboutDraining(), late)
      clearInterval(sweeper)
      tls.close()
      await closeAll(parts, { servers, http2 }, configuration, adminToken)
      log.write('info', 'stopped')
      await telemetry.close()
    }
    return {
      mesh,
      log,
      adminToken,
      addresses,
      notReady,
      reload(why) {
        // A file that was moved away is left whatever the mesh file is worth.
        telemetry.audit.reopen()
        return configuration.reload(why)
      },
      drain: beginDrain,
      stop: () => (stopped ??= stop()),
    }
  } catch (error) {
    for (const server of Object.values(servers).flat()) server.close()
    opened?.remove()
    await revoking.close()
    await Promise.all([configuration.close(), store.close(), telemetry.close()])
    throw error
  }
}

/** @throws {ConfigurationFault} the variable cannot be read. */
function openAppProbes(env: NodeJS.ProcessEnv, metrics: Metrics): AppProbes | undefined {
  const { probes, problems } = readAppProbes(env, metrics)
  if (problems.length > 0) throw new ConfigurationFault(problems)
  return probes
}

interface Shared {
  readonly telemetry: Telemetry
  readonly metrics: Metrics
  readonly store: Store
  readonly revoking: Revoking
}

interface Parts {
  readonly runtime: Runtime
  readonly shedder: LoadShedder
  readonly traffic: Traffic
  readonly metrics: Metrics
  readonly revoking: Revoking
  readonly inbound: Side & { close(): void }
  readonly outbound: Side & { close(): void }
  readonly tunnels: Tunnels
  readonly originalDestinations: OriginalDestinations
  readonly interception: Interception
  setOwnPorts(ports: readonly number[]): void
}

function assemble(
  configuration: Configuration,
  { store, revoking, metrics, telemetry }: Shared,
  log: Log,
  { now, output }: SidecarOptions,
): Parts {
  const meshNow = () => configuration.current.snapshot.mesh
  const traffic = new Traffic(meshNow)
  const recorder = new Recorder({
    log,
    metrics,
    access: () => meshNow().log.access,
    output,
    naming: () => configuration.current.naming,
    audit: telemetry.audit,
    traffic,
  })
  const sharedCount = metrics.counter({
    name: 'onbehalf.shared_sessions',
    unit: '{session}',
    help: 'Sessions shared with other sidecars, and looked for among theirs, by outcome.',
  })
  const sharedSessions = new SharedSessions({
    store,
    mesh: meshNow,
    statements: createSessionStatements(() => configuration.current, revoking.list, now),
    verify: (carried, spentMs) => verifyAnew(carried, runtime, spentMs),
    basis: () => configuration.current.snapshot.trust.verified,
    count: (outcome) => sharedCount.add({ outcome }),
    now,
  })
  const sessions = new Sessions({
    service: meshNow().service,
    now,
    maxBytes: () => meshNow().limits.sessionBytes,
    lingerMs: () => meshNow().timeouts.lingerMs,
    shared: sharedSessions,
    graceMs: () => (meshNow().evidence === 'off' ? 0 : meshNow().originalUserGraceMs),
  })
  const certificates = new Certificates({
    store,
    trust: () => configuration.current.snapshot.trust,
    minter: () => configuration.current.credential.minter,
    now,
  })
  const localAddresses = new LocalAddresses(now)
  let ownPorts: ReadonlySet<number> = new Set()
  const runtime: Runtime = {
    current: () => configuration.current,
    ask: {
      keys: (issuer, keyId) => configuration.refetch(issuer, keyId),
      certificate: (keyId) => certificates.lookUp(keyId),
      session: (handle, leftMs) => sharedSessions.redeem(handle, leftMs),
    },
    store,
    certificates,
    sessions,
    usedTokens: new UsedTokens(createUnhurriedClock(now)),
    revocations: revoking.list,
    exchanges: revoking.exchanges,
    recorder,
    now,
    tracing: telemetry.tracing,
    egressRule: () => ({ local: meshNow().egress.local, localAddresses, ownPorts }),
  }
  // One for both sides: they share the thread.
  const shedder = new LoadShedder({ loop: eventLoop, onChange: (isShedding) => tellOfLoad(isShedding, log) })
  const admissions = {
    inbound: new Admission((...asked) => shedder.refusesRequest(...asked)),
    outbound: new Admission((...asked) => shedder.refusesCall(...asked)),
  }
  const inbound = createInbound(runtime, admissions.inbound)
  const outbound = createOutbound(runtime, admissions.outbound, upstreamEvents(metrics, log))
  const tunnels = createTunnels(runtime, outbound.admission)
  const interception = createInterception(runtime, outbound.admission, metrics)
  const originalDestinations = createOriginalDestinations(log)
  addGauges(metrics, configuration, sessions, { inbound, outbound }, shedder)
  addStoreGauges(metrics, store, () => ({
    certificate: certificates.rejected,
    jwks: configuration.rejectedDocuments,
  }))
  const setOwnPorts = (ports: readonly number[]) => {
    ownPorts = new Set(ports)
  }
  return {
    runtime,
    shedder,
    traffic,
    metrics,
    revoking,
    inbound,
    outbound,
    tunnels,
    originalDestinations,
    interception,
    setOwnPorts,
  }
}

function tellOfLoad(isShedding: boolean, log: Log): void {
  if (isShedding) log.write('warn', 'load is shed: more requests come than this sidecar can carry')
  else log.write('warn', 'load is shed no more')
}

function reasonsNotReady(
  configuration: Configuration,
  revocations: Revocations,
  stopping: boolean,
  nowMs: number,
): readonly string[] {
  const reasons = configuration.waitingFor().map((issuer) => `the keys of issuer ${issuer} were never loaded`)
  const { minter } = configuration.current.credential
  if (minter !== undefined && minter.notAfterMs <= nowMs)
    reasons.push('the certificate of the account has expired')
  if (minter !== undefined && revocations.isKeyRevoked(minter.keyId))
    reasons.push('the key of the account was revoked')
  if (stopping) reasons.push('draining')
  return reasons
}

interface AdminControls extends SidecarOptions {
  readonly onDrain: () => void
  readonly notReady: () => readonly string[]
}

function adminSubject(
  parts: Parts,
  configuration: Configuration,
  log: Log,
  controls: AdminControls,
): AdminSubject {
  const { runtime, revoking } = parts
  const source = { ...controls, startedAtMs: controls.now() }
  return {
    config: () => describeConfig(configuration.current.snapshot.mesh),
    keys: () => describeKeys(configuration.current, runtime.revocations),
    keySet: () => publishedKeySet(configuration.current, runtime.revocations, controls.now()),
    sessions: () => describeSessions(runtime.sessions),
    decisions: (id) => (id === undefined ? runtime.recorder.recent() : runtime.recorder.about(id)),
    drain: () => controls.onDrain(),
    shutdown: () => controls.onShutdown(),
    judge: (asked) => judgeToken(asked, runtime),
    events: {
      state: (unsentDecisions) => describeState(parts, configuration, source, unsentDecisions),
      recent: () => runtime.recorder.recent(),
      watch: (watcher) => runtime.recorder.watch(watcher),
    },
    setLogLevel(level) {
      log.write('warn', 'log level changed', { from: log.level, to: level })
      log.level = level
    },
    issuerNames() {
      const { issuers, trustDomains } = configuration.current.snapshot.mesh
      return [...issuers, ...trustDomains].map(({ name }) => name)
    },
    async revoke(revocation, forSeconds) {
      const revoked = await revoking.revoke(revocation, forSeconds)
      const { kind: reach, ...more } = revoked
      log.write('warn', 'revoked', { ...revokedFields(revocation, configuration.current), reach, ...more })
      return revoked
    },
  }
}

type Serving = Pick<ReturnType<typeof makeServers>, 'servers' | 'http2'>

function describeDraining(
  { inbound, outbound }: Parts,
  { servers, http2 }: Serving,
  configuration: Configuration,
  log: Log,
): Draining {
  return {
    inbound: inbound.admission,
    outbound: outbound.admission,
    inboundServers: servers.inbound,
    inboundHttp2: http2.inbound,
    timeouts: configuration.current.snapshot.mesh.timeouts,
    log,
  }
}

async function closeAll(
  parts: Parts,
  { servers, http2 }: Serving,
  configuration: Configuration,
  adminToken: AdminToken,
): Promise<void> {
  for (const server of Object.values(servers).flat()) {
    server.close()
    server.closeAllConnections()
  }
  for (const server of Object.values(http2)) server.close()
  parts.runtime.certificates.close()
  parts.tunnels.close()
  parts.interception.close()
  parts.inbound.close()
  parts.outbound.close()
  adminToken.remove()
  await parts.revoking.close()
  await Promise.all([configuration.close(), parts.runtime.store.close()])
}
