// The injector: its servers, its certificate, its metrics, and their end.
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo, Server as NetServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { createProbes } from '../../../sidecar/admin/probes.ts'
import type { Log } from '../../../sidecar/telemetry/log.ts'
import { Metrics } from '../../../sidecar/telemetry/metrics.ts'
import { formatPrometheus } from '../../../sidecar/telemetry/prometheus.ts'
import type { Settings } from '../injection/settings.ts'
import { createAdmissionServer } from './admission-server.ts'
import { review, type Reviewed } from './review.ts'
import type { ServingCertificate } from './serving-certificate.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

export interface InjectorOptions {
  readonly listen: Address
  readonly listenProbes: Address
  readonly settings: Settings
  /** Started when the probes are open: it may wait for the API server. */
  readonly certificate: () => Promise<ServingCertificate>
  /** So long it serves on after it was told to end. */
  readonly drainDelayMs: number
  readonly log: Log
}

export interface Injector {
  readonly address: AddressInfo
  readonly probes: AddressInfo
  notReady(): readonly string[]
  stop(): Promise<void>
}

const durationBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]

/** Resolves when it serves. @throws {Error} an address cannot be bound, or the certificate cannot be used. */
export async function startInjector(options: InjectorOptions): Promise<Injector> {
  const { listen, listenProbes, settings, log, drainDelayMs } = options
  const metrics = new Metrics()
  const state: { certificate?: ServingCertificate; isStopping: boolean } = { isStopping: false }
  const notReady = () => reasonsNotReady(state)
  const probes = createProbes({
    isOpen: () => true,
    notReady,
    metrics: () => formatPrometheus(metrics.instruments),
    appProbes: undefined,
    drained: undefined,
  })
  const opened: Stoppable[] = [probes]
  const close = () => {
    state.certificate?.close()
    for (const server of opened) {
      server.close()
      server.closeAllConnections()
    }
  }
  try {
    await open(probes, listenProbes)
    state.certificate = await options.certificate()
    const answer = recordReviews(metrics, settings, log)
    const server = createAdmissionServer(state.certificate, answer)
    opened.push(server)
    metrics.gauge(
      {
        name: 'onbehalf.injector.certificate.expiry',
        unit: 's',
        help: 'When the serving certificate ends, since the epoch.',
      },
      () => [[{}, (state.certificate?.notAfterMs() ?? 0) / 1_000]],
    )
    await open(server, listen)
    const address = server.address() as AddressInfo
    log.write('info', 'listening', { address: `${address.address}:${address.port}` })
    return {
      address,
      probes: probes.address() as AddressInfo,
      notReady,
      async stop() {
        state.isStopping = true
        log.write('info', 'draining', { for_ms: drainDelayMs })
        await pause(drainDelayMs)
        server.close()
        server.closeIdleConnections()
        close()
        log.write('info', 'stopped')
      },
    }
  } catch (error) {
    close()
    throw error
  }
}

function reasonsNotReady({
  certificate,
  isStopping,
}: {
  certificate?: ServingCertificate
  isStopping: boolean
}): string[] {
  if (isStopping) return ['draining']
  if (certificate === undefined) return ['there is no serving certificate yet']
  const reason = certificate.waitingFor()
  return reason === undefined ? [] : [reason]
}

function recordReviews(metrics: Metrics, settings: Settings, log: Log) {
  const count = metrics.counter({
    name: 'onbehalf.injector.reviews',
    unit: '{review}',
    help: 'Reviews answered, by outcome.',
  })
  const duration = metrics.histogram(
    { name: 'onbehalf.injector.review.duration', unit: 's', help: 'How long a review took to be answered.' },
    durationBounds,
  )
  return (body: string): Reviewed => {
    const startedMs = performance.now()
    const reviewed = review(body, settings)
    duration.record((performance.now() - startedMs) / 1_000, {})
    count.add({ outcome: reviewed.outcome })
    const { outcome, namespace, pod, reasons } = reviewed
    const isBad = outcome === 'refused' || outcome === 'failed'
    log.write(isBad ? 'warn' : 'info', 'review', { outcome, namespace, pod, ...(isBad ? { reasons } : {}) })
    return reviewed
  }
}

type Stoppable = Pick<Server, 'close' | 'closeAllConnections'>

async function open(server: NetServer, { host, port }: Address): Promise<void> {
  server.listen({ host, port })
  await once(server, 'listening')
}
