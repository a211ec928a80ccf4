// The chart for the README: an SVG without script, in light and dark, of the results alone.
import type { Results } from './results.ts'
import { targetsOf, verdictOf, type Target, type Verdict } from './targets.ts'

interface Bar {
  readonly label: string
  readonly value: number
  readonly figure: string
  /** A class of the style. */
  readonly kind: string
}

const width = 980
const labelWidth = 430
const barWidth = 320
const rowHeight = 20
const headHeight = 34
/** What is further from its target than so many times has a bar as long as that. */
const mostShare = 4

const style = `
svg { font: 12px system-ui, sans-serif; background: #fff }
text { fill: #1f2328 } .head { font-weight: 600 } .other { fill: #8c959f } .ours { fill: #0969da }
.reached { fill: #1a7f37 } .must { fill: #9a6700 } .missed { fill: #cf222e } line { stroke: #1f2328; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117 } text { fill: #e6edf3 } .other { fill: #6e7681 } .ours { fill: #4493f8 }
.reached { fill: #3fb950 } .must { fill: #d29922 } .missed { fill: #f85149 } line { stroke: #e6edf3 }
}`

/** Two parts: CPU per request of the contenders, and what was measured as a share of its target. */
export function makeChart(results: Results): string {
  const costs = costBars(results)
  const shares = targetsOf(results).flatMap(shareBar)
  const costHeight = headHeight + costs.length * rowHeight
  const height = costHeight + headHeight + shares.length * rowHeight + 12
  const line = labelWidth + barWidth / mostShare
  const from = costHeight + headHeight - 4
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="CPU per request, and what was measured beside its target">`,
    `<style>${style}\n</style>`,
    ...panel('CPU per request, µs', costs, 0, Math.max(1, ...costs.map(({ value }) => value))),
    ...panel(
      `Measured, as a share of the target (dashed), up to ${mostShare} times`,
      shares,
      costHeight,
      mostShare,
    ),
    `<line x1="${round(line)}" y1="${from}" x2="${round(line)}" y2="${height - 8}"/>`,
    '</svg>\n',
  ].join('\n')
}

function panel(title: string, bars: readonly Bar[], top: number, most: number): string[] {
  return [
    `<text class="head" x="12" y="${top + 22}">${escaped(title)}</text>`,
    ...bars.map(({ label, value, figure, kind }, index) => {
      const y = top + headHeight + index * rowHeight
      const length = round((Math.min(value, most) / most) * barWidth)
      return (
        `<text x="${labelWidth - 8}" y="${y + 11}" text-anchor="end">${escaped(label)}</text>` +
        `<rect class="${kind}" x="${labelWidth}" y="${y}" width="${length}" height="14" rx="2"/>` +
        `<text x="${round(labelWidth + length + 6)}" y="${y + 11}">${escaped(figure)}</text>`
      )
    }),
  ]
}

/** The inbound side beside its contenders; then ours with evidence and with tracing. */
function costBars({ scenarios }: Results): Bar[] {
  const { inbound, tracing } = scenarios
  const rows = [inbound, scenarios['on-behalf'], tracing].flatMap((part) => part?.medians ?? [])
  const shown = rows.filter(
    ({ turn }) => !(turn.startsWith('nginx') && turn !== 'nginx seen') && turn !== 'off',
  )
  const unique = shown.filter(({ turn }, index) => shown.findIndex((each) => each.turn === turn) === index)
  return unique.map(({ title, turn, cpu_us_per_request: value }) => ({
    label: title.replaceAll('`', ''),
    value,
    figure: value.toFixed(0),
    kind: /^(nginx|haproxy)/.test(turn) ? 'other' : 'ours',
  }))
}

const kinds: Readonly<Record<Verdict, string>> = {
  reached: 'reached',
  'must reached': 'must',
  'not reached': 'missed',
  'not measured': 'other',
}

function shareBar(target: Target): Bar[] {
  const { what, label, unit, measured, digits } = target
  if (measured === undefined) return []
  const figure = `${measured.toFixed(digits)} of ${target.target} ${unit}`
  const kind = kinds[verdictOf(target)]
  // Below nothing there is no bar: a latency can come out below that of the direct call.
  return [
    {
      label: (label ?? what).replaceAll('`', ''),
      value: Math.max(0, measured / target.target),
      figure,
      kind,
    },
  ]
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
