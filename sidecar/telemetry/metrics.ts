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

/** What is kept for one set of labels. */
export interface Kept<T> {
  readonly labels: Labels
  readonly kept: T
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
        readonly listen: (listener: (value: number, series: Kept<Distribution>) => void) => void
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
    let told: ((value: number, series: Kept<Distribution>) => void) | undefined
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
        const found = series.of(labels)
        const distribution = found.kept
        const bucket = bucketOf(value, bounds)
        distribution.buckets[bucket] = (distribution.buckets[bucket] as number) + 1
        distribution.sum += value
        told?.(value, found)
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
        series.of(labels).kept.value += amount
      },
    }
  }
}

/** A value of a label, and what the values of the labels behind it lead to. */
interface Branch<T> {
  readonly next: Map<string, Branch<T>>
  series: Kept<T> | undefined
}

/** What is kept for each set of labels. Counting happens for each request, so it is found without making a key. */
class Series<T> {
  readonly #all: Kept<T>[] = []
  readonly #root: Branch<T> = { next: new Map(), series: undefined }
  readonly #make: () => T
  #others: Kept<T> | undefined

  constructor(make: () => T) {
    this.#make = make
  }

  of(labels: Labels): Kept<T> {
    let branch = this.#root
    for (const name in labels) {
      const next = branch.next.get(labels[name] as string)
      if (next === undefined) return this.#add(labels)
      branch = next
    }
    return branch.series ?? this.#add(labels)
  }

  *entries(): Generator<readonly [Labels, T]> {
    for (const { labels, kept } of this.#all) yield [labels, kept]
  }

  #add(labels: Labels): Kept<T> {
    const values = Object.values(labels)
    if (this.#all.length >= maxSeries && values.length > 0) return this.#ofOthers(labels)
    let branch = this.#root
    for (const value of values) {
      const next = branch.next.get(value) ?? { next: new Map(), series: undefined }
      branch.next.set(value, next)
      branch = next
    }
    branch.series = this.#keep(labels)
    return branch.series
  }

  #ofOthers(labels: Labels): Kept<T> {
    this.#others ??= this.#keep(mapLabels(labels, () => beyond))
    return this.#others
  }

  #keep(labels: Labels): Kept<T> {
    const series = { labels, kept: this.#make() }
    this.#all.push(series)
    return series
  }
}

function mapLabels(labels: Labels, of: (value: string) => string): Labels {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, of(value)]))
}

/** In which bucket a value is: the first whose bound is not below it; the last has none. */
export function bucketOf(value: number, bounds: readonly number[]): number {
  let bucket = 0
  while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++
  return bucket
}
