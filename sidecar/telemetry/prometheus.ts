// The instruments in Prometheus' text format 0.0.4, named by OpenTelemetry's rules of compatibility.
import type { Distribution, Instrument, Labels } from './metrics.ts'

export function formatPrometheus(instruments: readonly Instrument[]): string {
  return instruments.map(formatInstrument).join('')
}

const units: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes' }

/** Dots become underscores; the unit stands at the end, and behind it `total` where it only grows. */
export function prometheusName({ name, unit, kind, prometheusName: given }: Instrument): string {
  if (given !== undefined) return given
  const parts = [
    name.replaceAll(/[^a-zA-Z0-9_]/g, '_'),
    units[unit],
    kind === 'counter' ? 'total' : undefined,
  ]
  return parts.filter((part) => part !== undefined).join('_')
}

function formatInstrument(instrument: Instrument): string {
  const name = prometheusName(instrument)
  const type = instrument.kind === 'updown' ? 'gauge' : instrument.kind
  let text = `# HELP ${name} ${instrument.help}\n# TYPE ${name} ${type}\n`
  if (instrument.kind === 'histogram') {
    for (const [labels, distribution] of instrument.read()) {
      text += formatDistribution(name, labels, instrument.bounds, distribution)
    }
  } else {
    for (const [labels, value] of instrument.read()) text += `${name}${formatLabels(labels)} ${value}\n`
  }
  return text
}

function formatDistribution(
  name: string,
  labels: Labels,
  bounds: readonly number[],
  { buckets, sum }: Distribution,
): string {
  let text = ''
  let count = 0
  for (const [i, inBucket] of buckets.entries()) {
    count += inBucket
    const le = i < bounds.length ? String(bounds[i]) : '+Inf'
    text += `${name}_bucket${formatLabels({ ...labels, le })} ${count}\n`
  }
  const all = formatLabels(labels)
  return `${text}${name}_sum${all} ${sum}\n${name}_count${all} ${count}\n`
}

function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name.replaceAll(/[^a-zA-Z0-9_]/g, '_')}="${escapeLabel(value)}"`,
  )
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`))
}
