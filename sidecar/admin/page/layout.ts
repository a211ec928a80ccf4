// Lays a graph out: where each node stands, where the words of each edge stand, and how its line runs.
import { layersOf, type Link } from './layers.ts'

export interface Size {
  readonly width: number
  readonly height: number
}

export interface Place extends Size {
  /** Of the middle. */
  readonly x: number
  readonly y: number
}

export interface Line<T extends Link> {
  readonly link: T
  /** Where its words stand. */
  readonly label: Place
  /** Attribute `d` of an SVG path. */
  readonly path: string
}

export interface Layout<T extends Link> extends Size {
  readonly nodes: ReadonlyMap<string, Place>
  readonly lines: readonly Line<T>[]
}

export interface LayoutOptions {
  /** To the right, or downwards where there is little width. */
  readonly direction: 'right' | 'down'
  readonly node: Size
  readonly label: Size
}

/** What takes up room in a layer: a node, the words of an edge, or a line that passes. */
interface Item {
  readonly layer: number
  /** Along the layer. */
  readonly extent: number
  readonly neighbours: Item[]
  at: number
}

/** A layer for nodes, then one for the words of the edges that leave it, and so on, so that nothing covers anything. */
export function layOut<T extends Link>(links: readonly T[], options: LayoutOptions): Layout<T> {
  const layers = layersOf(links)
  const isRight = options.direction === 'right'
  const extentOf = ({ width, height }: Size) => (isRight ? height : width)
  const add = (layer: number, extent: number): Item => {
    const item = { layer, extent, neighbours: [], at: 0 }
    items.push(item)
    return item
  }
  const items: Item[] = []
  const nodes = new Map(
    [...layers].map(([name, layer]) => [name, add(2 * layer, extentOf(options.node))] as const),
  )
  const ends = new Set(nodes.values())
  const chains = links.map((link) => {
    const [from, to] = [nodes.get(link.from) as Item, nodes.get(link.to) as Item]
    const passes = layersBetween(from.layer, to.layer)
    // The words stand beside the caller, but for a line that runs back: there beside the called one.
    const labelAt = from.layer < to.layer ? 0 : passes.length - 1
    const between = passes.map((layer, i) => add(layer, i === labelAt ? extentOf(options.label) : passExtent))
    const chain = [from, ...between, to]
    join(chain)
    return { link, chain, label: between[labelAt] as Item }
  })
  const labels = new Set(chains.map(({ label }) => label))
  const sizeOf = (item: Item): Size => {
    if (ends.has(item)) return options.node
    return labels.has(item) ? options.label : nothing
  }
  const length = arrange(items)
  const middle = middles(Math.max(0, ...items.map(({ layer }) => layer)), options)
  const placeOf = (item: Item, size: Size): Place => {
    const across = middle.at[item.layer] ?? 0
    return isRight ? { x: across, y: item.at, ...size } : { x: item.at, y: across, ...size }
  }
  return {
    width: isRight ? middle.length : length,
    height: isRight ? length : middle.length,
    nodes: new Map([...nodes].map(([name, item]) => [name, placeOf(item, options.node)])),
    lines: chains.map(({ link, chain, label }) => ({
      link,
      label: placeOf(label, options.label),
      path: pathOf(
        chain.map((item) => placeOf(item, sizeOf(item))),
        isRight,
      ),
    })),
  }
}

const nothing: Size = { width: 0, height: 0 }
const passExtent = 10
const gap = 14
const margin = 4
const layerGap = 18

function layersBetween(from: number, to: number): readonly number[] {
  if (from === to) return [from + 1]
  const step = from < to ? 1 : -1
  return Array.from({ length: Math.abs(to - from) - 1 }, (_, i) => from + step * (i + 1))
}

function join(chain: readonly Item[]): void {
  for (const [i, item] of chain.entries()) {
    const next = chain[i + 1]
    if (next === undefined || next === item) continue
    item.neighbours.push(next)
    next.neighbours.push(item)
  }
}

/** Puts each item near those it is joined to, so that few lines cross. @returns how long the longest layer is. */
function arrange(items: readonly Item[]): number {
  const layers = [...Map.groupBy(items, ({ layer }) => layer)]
    .sort(([a], [b]) => a - b)
    .map(([, members]) => members)
  const joined = items.flatMap((item) =>
    item.neighbours.flatMap((next) => (next.layer > item.layer ? [[item, next] as const] : [])),
  )
  let best: { crossings: number; at: readonly number[] } = { crossings: Infinity, at: [] }
  for (let start = 0; start < starts; start++) {
    for (const members of layers) spread(turned(members, start))
    for (let round = 0; round < rounds; round++) settle(round % 2 === 0 ? layers : layers.toReversed())
    const crossings = crossingsOf(joined)
    if (crossings < best.crossings) best = { crossings, at: items.map(({ at }) => at) }
  }
  for (const [i, at] of best.at.entries()) (items[i] as Item).at = at
  const first = Math.min(...items.map(({ at, extent }) => at - extent / 2)) - margin
  for (const item of items) item.at -= first
  return Math.max(0, ...items.map(({ at, extent }) => at + extent / 2)) + margin
}

/** What comes out depends on where it began. */
const starts = 6
const rounds = 24

/** Every other time backwards, and begun elsewhere: other orders without chance. */
function turned(members: readonly Item[], start: number): readonly Item[] {
  const shift = Math.floor(start / 2) % members.length
  const shifted = [...members.slice(shift), ...members.slice(0, shift)]
  return start % 2 === 0 ? shifted : shifted.toReversed()
}

function settle(layers: readonly Item[][]): void {
  for (const members of layers) {
    const wanted = new Map(members.map((item) => [item, wantedPlace(item)]))
    members.sort((a, b) => (wanted.get(a) ?? 0) - (wanted.get(b) ?? 0) || a.at - b.at)
    placeNear(members, wanted, average(members.map((item) => wanted.get(item) ?? 0)))
  }
}

/** How many lines cross others. */
function crossingsOf(joined: readonly (readonly [Item, Item])[]): number {
  let crossings = 0
  for (const [i, [a, b]] of joined.entries()) {
    for (const [c, d] of joined.slice(i + 1)) {
      if (a.layer === c.layer && (a.at - c.at) * (b.at - d.at) < 0) crossings += 1
    }
  }
  return crossings
}

function wantedPlace({ neighbours, at }: Item): number {
  return neighbours.length === 0 ? at : average(neighbours.map((each) => each.at))
}

/** In their order, each where it wants to be or as near behind the one before as may be; together around the mean. */
function placeNear(members: readonly Item[], wanted: ReadonlyMap<Item, number>, mean: number): void {
  let end = -Infinity
  for (const item of members) {
    item.at = Math.max(wanted.get(item) ?? 0, end + gap + item.extent / 2)
    end = item.at + item.extent / 2
  }
  const shift = mean - average(members.map(({ at }) => at))
  for (const item of members) item.at += shift
}

function spread(members: readonly Item[]): void {
  const total = members.reduce((sum, { extent }) => sum + extent + gap, -gap)
  let at = -total / 2
  for (const item of members) {
    item.at = at + item.extent / 2
    at += item.extent + gap
  }
}

function average(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / Math.max(1, numbers.length)
}

/** Where the middle of each layer is, across them, and how far they go. */
function middles(
  lastLayer: number,
  { direction, node, label }: LayoutOptions,
): { readonly at: readonly number[]; readonly length: number } {
  const depth = (layer: number) => {
    const { width, height } = layer % 2 === 0 ? node : label
    return direction === 'right' ? width : height
  }
  const at: number[] = []
  let edge = margin
  // A service that calls itself has its words in the layer behind the last.
  for (let layer = 0; layer <= lastLayer; layer++) {
    at.push(edge + depth(layer) / 2)
    edge += depth(layer) + layerGap
  }
  return { at, length: edge - layerGap + margin }
}

/** From the side of the first place to that of the last, straight through those between. */
function pathOf(places: readonly Place[], isRight: boolean): string {
  const [first, last] = [places[0] as Place, places.at(-1) as Place]
  const isBack = isRight ? last.x < first.x : last.y < first.y
  const isSelf = first.x === last.x && first.y === last.y
  const side = isBack ? -1 : 1
  const points: (readonly [number, number])[] = [borderOf(first, isRight, side, isSelf ? -1 : 0)]
  for (const { x, y, width, height } of places.slice(1, -1)) {
    // Only beside its words a line is straight.
    if (isSelf || width === 0) points.push([x, y])
    else if (isRight) points.push([x - (side * width) / 2, y], [x + (side * width) / 2, y])
    else points.push([x, y - (side * height) / 2], [x, y + (side * height) / 2])
  }
  points.push(borderOf(last, isRight, isSelf ? 1 : -side, isSelf ? 1 : 0))
  return points
    .map((point, i) => (i === 0 ? `M${pair(point)}` : curve(points[i - 1] ?? point, point, isRight)))
    .join('')
}

/** @param side 1: the far one, -1: the near one. @param off beside the middle of it. */
function borderOf(
  { x, y, width, height }: Place,
  isRight: boolean,
  side: number,
  off: number,
): readonly [number, number] {
  return isRight
    ? [x + (side * width) / 2, y + (off * height) / 4]
    : [x + (off * width) / 4, y + (side * height) / 2]
}

function curve(
  [x1, y1]: readonly [number, number],
  [x2, y2]: readonly [number, number],
  isRight: boolean,
): string {
  const [c1, c2] = isRight
    ? ([
        [(x1 + x2) / 2, y1],
        [(x1 + x2) / 2, y2],
      ] as const)
    : ([
        [x1, (y1 + y2) / 2],
        [x2, (y1 + y2) / 2],
      ] as const)
  return `C${pair(c1)} ${pair(c2)} ${pair([x2, y2])}`
}

function pair([x, y]: readonly [number, number]): string {
  return `${Math.round(x)},${Math.round(y)}`
}
