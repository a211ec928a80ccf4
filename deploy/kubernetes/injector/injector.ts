// The injector: its servers, its certificate, its metrics, and their end.
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { ListenAddress } from '../../../shared/config/mesh.ts'
import { createProbes } from '../../../sidecar/admin/probes.ts'
import { listen as open } from '../../../sidecar/http1/server.ts'
import { describeError, type Log } from '../../../sidecar/telemetry/log.ts'
import type { Metrics } from '../../../sidecar/telemetry/metrics.ts'
import { formatPrometheus } from '../../../sidecar/telemetry/prometheus.ts'
import type { Settings } from '../injection/settings.ts'
import { createAdmissionServer, type AdmissionLimits } from './admission-server.ts'
import { Recorder } from './recorder.ts'
import { review } from './review.ts'
import { notAfterMs, type ServingCertificate } from './serving-certificate.ts'

export interface InjectorOptions {
  readonly listen: ListenAddress
  readonly listenProbes: ListenAddress
  readonly settings: Settings
  /** Closed with the injector. */
  readonly certificate: ServingCertificate
  /** So long it serves on after it was told to end. */
  readonly drainDelayMs: number
  readonly metrics: Metrics
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly limits?: Partial<AdmissionLimits>
}

export interface Injector {
  readonly address: AddressInfo
  readonly probes: AddressInfo
  stop(): Promise<void>
}

/** Resolves when its addresses are open, which may be before it is ready. @throws {Error} one cannot be bound. */
export async function startInjector(options: InjectorOptions): Promise<Injector> {
  const { settings, certificate, metrics, log, drainDelayMs } = options
  const recorder = new Recorder(metrics, log, certificate)
  const state = { isOpen: false, isEnding: false }
  const admission = createAdmissionServer({
    certificate,
    answer: (body) => recorder.record(() => review(body, settings)),
    onUnfit: (status) => recorder.unfit(status),
    onCutOff: () => recorder.cutOff(),
    onTlsFailure: (error) => recorder.noTls(error),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  })
  const probes = createProbes({
    isOpen: () => state.isOpen,
    notReady: () => (state.isEnding ? ['it ends'] : reasonsNotReady(options)),
    metrics: () => formatPrometheus(metrics.instruments),
    appProbes: undefined,
    drained: undefined,
  })
  const close = async () => {
    await Promise.all([certificate.close(), admission.close()])
    probes.close()
    probes.closeAllConnections()
  }
  try {
    const probesAddress = await open(probes, options.listenProbes)
    const address = await open(admission.server, options.listen)
    state.isOpen = true
    log.write('info', 'listening', { admission: describe(address), probes: describe(probesAddress) })
    return {
      address,
      probes: probesAddress,
      async stop() {
        log.write('info', 'draining', { for_ms: drainDelayMs })
        state.isEnding = true
        admission.announceEnd()
        await pause(drainDelayMs)
        await close()
        log.write('info', 'stopped')
      },
    }
  } catch (error) {
    await close()
    throw new Error(`cannot listen: ${describeError(error)}`, { cause: error })
  }
}

function reasonsNotReady({ certificate, now }: InjectorOptions): string[] {
  const waitingFor = certificate.waitingFor()
  const pair = certificate.current()
  const isOver = pair !== undefined && notAfterMs(pair.cert) <= now()
  return [
    ...(waitingFor === undefined ? [] : [waitingFor]),
    ...(isOver ? ['the serving certificate has expired'] : []),
  ]
}

function describe({ address, port, family }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
}
