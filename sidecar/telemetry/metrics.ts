// The instruments of the sidecar, each defined once: `/metrics` and OTLP show the same numbers. Labels are from closed sets.

export type Labels = Readonly<Record<string, string>>

/** Named as OpenTelemetry names it; Prometheus' name follows from it. */
export interface Definition {
  /** Such as `http.server.request.duration`. */
  readonly name: string
  /** UCUM: `s`, `By`, or what is counted in braces, such as `{request}`; empty where there is none. */
  readonly unit: string
  readonly help: string
  /** Where convention has another name than what follows. */
  readonly prometheusName?: string
}

export interface Counter {
  add(labels: Labels, amount?: number): void
}

export interface Histogram {
  /** In the unit of the histogram. */
  record(value: number, labels: Labels): void
}

/** What was recorded with one set of labels. */
export interface Distribution {
  /** How many were at most the bound of the same place, and above the one before; one more for those above all. */
  readonly buckets: number[]
  sum: number
}

export type Sample = readonly [labels: Labels, value: number]

export type Instrument = Definition &
  (
    | { readonly kind: 'counter' | 'updown' | 'gauge'; readonly read: () => Iterable<Sample> }
    | {
        readonly kind: 'histogram'
        readonly bounds: readonly number[]
        readonly read: () => Iterable<readonly [labels: Labels, distribution: Distribution]>
        /** Told of each value that is recorded from now on. */
        readonly listen: (listener: (value: number, labels: Labels) => void) => void
      }
  )

/** What one instrument keeps, whoever chooses the labels; what comes beyond is one series without their values. */
const maxSeries = 2_000
const beyond = '_OTHER'

export class Metrics {
  readonly #instruments: Instrument[] = []

  get instruments(): readonly Instrument[] {
    return this.#instruments
  }

  /** Only grows. */
  counter(definition: Definition): Counter {
    return this.#summed(definition, 'counter')
  }

  /** Goes up and down. */
  upDownCounter(definition: Definition): Counter {
    return this.#summed(definition, 'updown')
  }

  /** @param bounds the upper bounds of its buckets, in its unit, ascending. */
  histogram(definition: Definition, bounds: readonly number[]): Histogram {
    const series = new Series<Distribution>(() => ({
      buckets: Array.from({ length: bounds.length + 1 }, () => 0),
      sum: 0,
    }))
    let told: ((value: number, labels: Labels) => void) | undefined
    this.#instruments.push({
      ...definition,
      kind: 'histogram',
      bounds,
      read: () => series.entries(),
      listen(listener) {
        told = listener
      },
    })
    return {
      record(value, labels) {
        const distribution = series.of(labels)
        const at = bounds.findIndex((bound) => value <= bound)
        const bucket = at === -1 ? bounds.length : at
        distribution.buckets[bucket] = (distribution.buckets[bucket] as number) + 1
        distribution.sum += value
        told?.(value, labels)
      },
    }
  }

  /** A value that is read when it is asked for; what is not there is left out. */
  gauge(definition: Definition, read: () => Iterable<Sample>): void {
    this.#instruments.push({ ...definition, kind: 'gauge', read })
  }

  /** A count that somebody else keeps, read when it is asked for. */
  observedCounter(definition: Definition, read: () => Iterable<Sample>): void {
    this.#instruments.push({ ...definition, kind: 'counter', read })
  }

  #summed(definition: Definition, kind: 'counter' | 'updown'): Counter {
    const series = new Series<{ value: number }>(() => ({ value: 0 }))
    const read = (): Sample[] => [...series.entries()].map(([labels, { value }]) => [labels, value])
    this.#instruments.push({ ...definition, kind, read })
    return {
      add(labels, amount = 1) {
        series.of(labels).value += amount
      },
    }
  }
}

/** What is kept for each set of labels. */
class Series<T> {
  readonly #byKey = new Map<string, { readonly labels: Labels; readonly kept: T }>()
  readonly #make: () => T

  constructor(make: () => T) {
    this.#make = make
  }

  /** Counting happens for each request, writing labels only when somebody asks. */
  of(labels: Labels): T {
    let key = ''
    for (const name in labels) key += `${labels[name]}\0`
    const known = this.#byKey.get(key)
    if (known !== undefined) return known.kept
    if (this.#byKey.size >= maxSeries && key !== '') return this.#ofOthers(labels)
    const kept = this.#make()
    this.#byKey.set(key, { labels, kept })
    return kept
  }

  *entries(): Generator<readonly [Labels, T]> {
    for (const { labels, kept } of this.#byKey.values()) yield [labels, kept]
  }

  #ofOthers(labels: Labels): T {
    const known = this.#byKey.get(beyond)
    if (known !== undefined) return known.kept
    const kept = this.#make()
    this.#byKey.set(beyond, { labels: mapLabels(labels, () => beyond), kept })
    return kept
  }
}

function mapLabels(labels: Labels, of: (value: string) => string): Labels {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, of(value)]))
}
