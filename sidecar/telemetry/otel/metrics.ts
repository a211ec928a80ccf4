// The instruments of the sidecar as OpenTelemetry's: read when they are exported, but for histograms, which are told of
// values, many at a time.
import type { metrics as api } from './api.ts'
import type { Distribution, Instrument, Kept, Labels, Metrics } from '../metrics.ts'
import type { Attributes } from './api.ts'

type Meter = ReturnType<typeof api.getMeter>
type Histogram = ReturnType<Meter['createHistogram']>
type Observable = ReturnType<Meter['createObservableGauge']>

export function exportMetrics({ instruments }: Metrics, meter: Meter): void {
  const observed: Observable[] = []
  const tellAll: (() => void)[] = []
  for (const instrument of instruments) {
    if (instrument.kind === 'histogram') tellAll.push(exportHistogram(instrument, meter))
    else observed.push(exportReadable(instrument, meter))
  }
  // Before the histograms are read, and at the end.
  meter.addBatchObservableCallback(() => {
    for (const tellOne of tellAll) tellOne()
  }, observed)
}

/** So many values of one series wait at most until they are exported. */
const maxUntold = 512

interface Untold {
  readonly attributes: Attributes
  readonly values: Float64Array
  count: number
}

/**
 * The SDK takes values one by one, and for each of them makes a text of all attributes to find its series: told as they
 * come, that takes a tenth of the time of a request.
 * @returns what tells it of those that wait.
 */
function exportHistogram(instrument: Instrument & { readonly kind: 'histogram' }, meter: Meter): () => void {
  const { name, unit, help: description } = instrument
  const advice = { explicitBucketBoundaries: [...instrument.bounds] }
  const histogram = meter.createHistogram(name, { unit, description, advice })
  const bySeries = new Map<Kept<Distribution>, Untold>()
  instrument.listen((value, series) => {
    let untold = bySeries.get(series)
    if (untold === undefined) {
      untold = { attributes: attributesOf(series.labels), values: new Float64Array(maxUntold), count: 0 }
      bySeries.set(series, untold)
    }
    untold.values[untold.count++] = value
    if (untold.count === maxUntold) tell(histogram, untold)
  })
  return () => {
    for (const untold of bySeries.values()) tell(histogram, untold)
  }
}

function tell(histogram: Histogram, untold: Untold): void {
  const { attributes, values, count } = untold
  for (let i = 0; i < count; i++) histogram.record(values[i] as number, attributes)
  untold.count = 0
}

const observables = {
  counter: 'createObservableCounter',
  updown: 'createObservableUpDownCounter',
  gauge: 'createObservableGauge',
} as const

type Readable = Exclude<Instrument, { readonly kind: 'histogram' }>

function exportReadable(instrument: Readable, meter: Meter): Observable {
  const { name, unit, help: description } = instrument
  const observable = meter[observables[instrument.kind]](name, { unit, description })
  observable.addCallback((result) => {
    for (const [labels, value] of instrument.read()) result.observe(value, attributesOf(labels))
  })
  return observable
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
