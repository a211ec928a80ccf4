// Counters in Prometheus' text format, with labels from closed sets only: codes, routes, sources.

type Labels = Readonly<Record<string, string>>

export interface Counter {
  add(labels: Labels, amount?: number): void
}

interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  read(): Iterable<readonly [labels: string, value: number]>
}

/** What `/metrics` shows. */
export class Metrics {
  readonly #families: Family[] = []

  counter(name: string, help: string): Counter {
    const samples = new Map<string, { readonly labels: Labels; value: number }>()
    const read = () =>
      [...samples.values()].map(({ labels, value }) => [formatLabels(labels), value] as const)
    this.#families.push({ name, help, type: 'counter', read })
    return {
      add(labels, amount = 1) {
        // Counting happens for each request, writing labels only when somebody asks.
        const key = Object.values(labels).join('\0')
        const sample = samples.get(key)
        if (sample === undefined) samples.set(key, { labels, value: amount })
        else sample.value += amount
      },
    }
  }

  /** A value that is read when it is asked for; undefined leaves the sample out. */
  gauge(name: string, help: string, read: () => Iterable<readonly [labels: Labels, value: number]>): void {
    const samples = () => [...read()].map(([labels, value]) => [formatLabels(labels), value] as const)
    this.#families.push({ name, help, type: 'gauge', read: samples })
  }

  /** Text format 0.0.4. */
  format(): string {
    return this.#families.map(formatFamily).join('')
  }
}

function formatFamily(family: Family): string {
  const head = `# HELP ${family.name} ${family.help}\n# TYPE ${family.name} ${family.type}\n`
  let samples = ''
  for (const [labels, value] of family.read()) samples += `${family.name}${labels} ${value}\n`
  return head + samples
}

function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`))
}
