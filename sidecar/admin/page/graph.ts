// Draws who calls whom, and says the same in a table.
import { byId, drawing, element, fill } from './elements.ts'
import type { Link } from './layers.ts'
import { layOut, type Layout, type Line, type Place } from './layout.ts'
import type { ServiceState } from './protocol.ts'
import type { Quantile } from './quantile.ts'
import { replaceIfOther } from './summary.ts'
import type { Way } from './ways.ts'
import { duration, perSecond } from './words.ts'

const narrow = matchMedia('(max-width: 719px)')
const wide = { node: { width: 118, height: 44 }, label: { width: 142, height: 58 } }
/** Three beside each other have room on a phone. */
const tall = { node: { width: 102, height: 44 }, label: { width: 100, height: 74 } }
/** Words that are smaller than that cannot be read: then it is moved about in. */
const minScale = 0.85

export function showGraph(ways: readonly Way[], states: readonly ServiceState[]): void {
  byId('no-ways').hidden = ways.length > 0
  for (const id of ['ways', 'ways-note']) byId(id).hidden = ways.length === 0
  fill(byId('graph'), ...(ways.length === 0 ? [] : [drawGraph(ways, states)]))
  replaceIfOther(byId('way-rows'), ways.map(tableRow))
}

function drawGraph(ways: readonly Way[], states: readonly ServiceState[]): SVGSVGElement {
  const { width, height, nodes, lines } = layoutOf(ways.map(({ from, to }) => ({ from, to })))
  const wayBy = new Map(ways.map((way) => [keyOf(way), way]))
  const drawn = lines.flatMap((line) => {
    const way = wayBy.get(keyOf(line.link))
    return way === undefined ? [] : [{ ...line, link: way }]
  })
  const made = drawing(
    'svg',
    {
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: 'img',
      'aria-label': 'Who calls whom. The table says the same.',
    },
    drawing('defs', {}, arrowHead('arrow'), arrowHead('arrow-refused')),
    ...drawn.map(drawLine),
    ...drawn.map(drawLabel),
    ...[...nodes].map(([name, place]) => drawNode(name, place, states)),
  )
  made.style.minWidth = `${Math.floor(width * minScale)}px`
  return made
}

let laidOut: { readonly key: string; readonly layout: Layout<Link> } | undefined

/** The same again, while the same call the same: it takes its time, and nothing should move without need. */
function layoutOf(links: readonly Link[]): Layout<Link> {
  const key = JSON.stringify([narrow.matches, links])
  if (laidOut?.key !== key) {
    const options = narrow.matches
      ? ({ direction: 'down', ...tall } as const)
      : ({ direction: 'right', ...wide } as const)
    laidOut = { key, layout: layOut(links, options) }
  }
  return laidOut.layout
}

function keyOf({ from, to }: Link): string {
  return JSON.stringify([from, to])
}

function arrowHead(id: string): SVGMarkerElement {
  const size = { markerWidth: 7, markerHeight: 7, refX: 6.5, refY: 3.5, orient: 'auto' }
  return drawing('marker', { id, ...size }, drawing('path', { d: 'M0,0.5L7,3.5L0,6.5z', class: id }))
}

function isRefusing({ lately }: Way): boolean {
  return (lately?.refusedPerSecond ?? 0) > 0
}

function drawLine({ link, path }: Line<Way>): SVGPathElement {
  const id = isRefusing(link) ? 'arrow-refused' : 'arrow'
  return drawing('path', { d: path, class: `line ${id}-line`, 'marker-end': `url(#${id})` })
}

function drawLabel({ link, label: { x, y, width: most } }: Line<Way>): SVGGElement {
  const texts = labelTexts(link)
  const longest = Math.max(...texts.map(([, text]) => text.length))
  const width = Math.min(most, longest * letterWidth + 8)
  const height = texts.length * lineHeight + 4
  return drawing(
    'g',
    { class: 'label' },
    drawing('title', {}, `${link.from} → ${link.to}`),
    drawing('rect', { x: x - width / 2, y: y - height / 2, width, height, rx: 4 }),
    ...texts.map(([kind, text], i) =>
      drawing('text', { x, y: y - height / 2 + 13 + i * lineHeight, class: kind }, text),
    ),
  )
}

const lineHeight = 14
/** About; it only clears the line behind the words. */
const letterWidth = 6.5

function labelTexts({ lately }: Way): readonly (readonly [kind: string, text: string])[] {
  if (lately === undefined) return [['quiet', 'not known']]
  const { perSecond: requests, refusedPerSecond, failedPerSecond, p50, p99 } = lately
  if (requests === 0) return [['quiet', 'quiet']]
  return [
    ['rate', perSecond(requests)],
    ...(p50 === undefined ? [] : timeTexts(`p50 ${quantile(p50)}`, `p99 ${quantile(p99)}`)),
    ...(refusedPerSecond > 0 ? [['refused', `${perSecond(refusedPerSecond)} refused`] as const] : []),
    ...(failedPerSecond > 0 ? [['failed', `${perSecond(failedPerSecond)} failed`] as const] : []),
  ]
}

function timeTexts(p50: string, p99: string): readonly (readonly [kind: string, text: string])[] {
  return narrow.matches
    ? [
        ['time', p50],
        ['time', p99],
      ]
    : [['time', `${p50} · ${p99}`]]
}

function quantile(value: Quantile | undefined): string {
  return value?.isBeyond === true ? `> ${duration(value.seconds)}` : duration(value?.seconds)
}

function drawNode(
  name: string,
  { x, y, width, height }: Place,
  states: readonly ServiceState[],
): SVGGElement {
  const state = states.find(({ service }) => service === name)
  const isReady = state?.notReady.length === 0
  const kind = state === undefined ? 'other' : isReady ? 'service' : 'service not-ready'
  const role = state === undefined ? roles[name] : isReady ? 'ready' : 'not ready'
  return drawing(
    'g',
    { class: `node ${kind}` },
    drawing('title', {}, name),
    drawing('rect', { x: x - width / 2, y: y - height / 2, width, height, rx: 6 }),
    drawing('text', { x, y: role === undefined ? y + 4 : y - 2, class: 'name' }, short(name)),
    role === undefined ? undefined : drawing('text', { x, y: y + 13, class: 'role' }, role),
  )
}

/** What is no service, in words. */
const roles: Readonly<Partial<Record<string, string>>> = {
  users: 'signed in',
  nobody: 'no assertion',
  unverified: 'not proven',
  elsewhere: 'no route',
}

function short(name: string): string {
  return name.length > 16 ? `${name.slice(0, 15)}…` : name
}

function tableRow(way: Way): HTMLTableRowElement {
  const { from, to, lately, requests, refused, failed, codes } = way
  return element(
    'tr',
    {},
    element('th', { scope: 'row' }, `${from} → ${to}`),
    cell(rate(lately?.perSecond)),
    cell(quantile(lately?.p50)),
    cell(quantile(lately?.p99)),
    cell(rate(lately?.refusedPerSecond), isRefusing(way)),
    cell(rate(lately?.failedPerSecond), (lately?.failedPerSecond ?? 0) > 0),
    cell(String(requests)),
    cell(String(refused), refused > 0),
    cell(String(failed), failed > 0),
    element('td', {}, codeWords(codes)),
  )
}

function rate(value: number | undefined): string {
  return value === undefined ? '–' : perSecond(value)
}

function cell(text: string, isBad = false): HTMLTableCellElement {
  return element('td', { class: isBad ? 'number bad' : 'number' }, text)
}

/** The most frequent first. */
function codeWords(codes: Way['codes']): string {
  const sorted = Object.entries(codes).sort(([, a], [, b]) => b - a)
  return sorted.map(([code, number]) => `${code} ${number}`).join(', ')
}
