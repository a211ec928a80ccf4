// The instruments of the sidecar as OpenTelemetry's: read when they are exported, but for histograms, which are told.
import type { metrics as api } from './api.ts'
import type { Instrument, Labels, Metrics } from '../metrics.ts'
import type { Attributes } from './api.ts'

type Meter = ReturnType<typeof api.getMeter>

export function exportMetrics({ instruments }: Metrics, meter: Meter): void {
  for (const instrument of instruments) exportInstrument(instrument, meter)
}

const observables = {
  counter: 'createObservableCounter',
  updown: 'createObservableUpDownCounter',
  gauge: 'createObservableGauge',
} as const

function exportInstrument(instrument: Instrument, meter: Meter): void {
  const { name, unit, help: description } = instrument
  if (instrument.kind === 'histogram') {
    const advice = { explicitBucketBoundaries: [...instrument.bounds] }
    const histogram = meter.createHistogram(name, { unit, description, advice })
    instrument.listen((value, labels) => histogram.record(value, attributesOf(labels)))
    return
  }
  meter[observables[instrument.kind]](name, { unit, description }).addCallback((result) => {
    for (const [labels, value] of instrument.read()) result.observe(value, attributesOf(labels))
  })
}

/** Labels that the conventions give as numbers. */
const numeric: ReadonlySet<string> = new Set(['http.response.status_code', 'server.port'])

/** An attribute without a value is none. */
function attributesOf(labels: Labels): Attributes {
  const attributes: Attributes = {}
  for (const [name, value] of Object.entries(labels)) {
    if (value !== '') attributes[name] = numeric.has(name) ? Number(value) : value
  }
  return attributes
}
