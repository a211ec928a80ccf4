// What is told of reviews: metrics and log lines, which name a pod, and nothing that it holds.
import { describeError, type Log } from '../../../sidecar/telemetry/log.ts'
import type { Counter, Histogram, Metrics } from '../../../sidecar/telemetry/metrics.ts'
import { outcomes, type Reviewed } from './review.ts'
import { notAfterMs, type ServingCertificate } from './serving-certificate.ts'

const durationBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]
const levels = { injected: 'info', unchanged: 'info', refused: 'warn', failed: 'error' } as const

export class Recorder {
  readonly #log: Log
  readonly #reviews: Counter
  readonly #duration: Histogram

  constructor(metrics: Metrics, log: Log, certificate: ServingCertificate) {
    this.#log = log
    this.#reviews = metrics.counter({
      name: 'onbehalf.injector.reviews',
      unit: '{review}',
      help: 'Reviews answered, by outcome.',
    })
    // A rate needs a beginning.
    for (const outcome of outcomes) this.#reviews.add({ outcome }, 0)
    this.#duration = metrics.histogram(
      {
        name: 'onbehalf.injector.review.duration',
        unit: 's',
        help: 'How long a review took to be answered.',
      },
      durationBounds,
    )
    metrics.gauge(
      {
        name: 'onbehalf.injector.failed_renewals',
        unit: '{attempt}',
        help: 'Attempts to renew or to look at the serving certificate that failed since the last good one.',
      },
      () => [[{}, certificate.failedRenewals()]],
    )
    metrics.gauge(
      {
        name: 'onbehalf.injector.certificate_expiry_timestamp',
        unit: 's',
        help: 'When the serving certificate ends.',
      },
      () => {
        const pair = certificate.current()
        return pair === undefined ? [] : [[{}, notAfterMs(pair.cert) / 1_000]]
      },
    )
  }

  record(answer: () => Reviewed): Reviewed {
    const startedMs = performance.now()
    const reviewed = answer()
    const { outcome, namespace, pod, isDryRun, reasons } = reviewed
    this.#duration.record((performance.now() - startedMs) / 1_000, {})
    this.#reviews.add({ outcome })
    this.#log.write(levels[outcome], 'review', {
      outcome,
      namespace,
      pod,
      ...(isDryRun ? { dry_run: true } : {}),
      ...(reasons.length === 0 ? {} : { reasons }),
    })
    return reviewed
  }

  /** A request that held no review. */
  unfit(status: number): void {
    this.#reviews.add({ outcome: 'failed' })
    this.#log.write('warn', 'request without a review', { status })
  }

  /** For the sake of newcomers. */
  cutOff(): void {
    this.#reviews.add({ outcome: 'failed' })
    this.#log.write('warn', 'too many reviews at once: the oldest is cut off')
  }

  /** An API server that does not trust the certificate shows here alone. */
  noTls(error: Error): void {
    const hasJustLeft = (error as NodeJS.ErrnoException).code === 'ECONNRESET'
    this.#log.write(hasJustLeft ? 'debug' : 'warn', 'TLS was not agreed on', { cause: describeError(error) })
  }
}
