// Where in a YAML text a path lies: the whole lines of an entry, and where one can be added.
import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Document,
  type Node,
  type Pair,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'

/** Whole lines of the text, from the offset `at` up to `end`. */
export interface Lines {
  readonly at: number
  readonly end: number
  readonly indent: string
}

/** The text cannot be edited there; the message says why, and what to do. */
export class Unreachable extends Error {}

type Collection = YAMLMap | YAMLSeq

export interface Found {
  readonly node: Node | null
  /** The collections on the way, each with the part of the path that led on. */
  readonly way: readonly { readonly collection: Collection; readonly part: string }[]
}

/** @throws {Unreachable} it leads through an alias, or through what a merge key supplies. */
export function find(document: Document, path: readonly string[]): Found {
  const way: Found['way'][number][] = []
  let node: Node | null = document.contents
  for (const part of path) {
    const collection = collectionOf(node, way)
    way.push({ collection, part })
    node = child(collection, part, path)
  }
  return { node, way }
}

function collectionOf(node: Node | null, way: Found['way']): Collection {
  if (isMap(node) || isSeq(node)) return node
  const place = way.map(({ part }) => part).join('.')
  if (isAlias(node)) throw new Unreachable(`${place} is an alias (*${node.source}): write it out`)
  throw new Unreachable(`${place} is neither a mapping nor a list`)
}

function child(collection: Collection, part: string, path: readonly string[]): Node | null {
  if (isSeq(collection)) return (collection.items[Number(part)] ?? null) as Node | null
  const pair = pairOf(collection, part)
  if (pair === undefined) throw new Unreachable(`${path.join('.')} comes by a merge key (<<): write it out`)
  return pair.value as Node | null
}

export function pairOf(map: YAMLMap, key: string): Pair | undefined {
  return map.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === key)
}

/** The innermost entry on the way, from its end, that is a whole number of lines; with the length of the path to it. */
export function enclosingEntry(
  text: string,
  { way }: Found,
): { readonly lines: Lines; readonly depth: number } {
  for (let depth = way.length; depth > 0; depth--) {
    const { collection, part } = way[depth - 1] as Found['way'][number]
    const lines = entryLines(text, collection, part)
    if (lines !== undefined) return { lines, depth }
  }
  throw new Unreachable(
    'it is JSON, or all of it stands in brackets: write it line by line, as kubectl … -o yaml prints it',
  )
}

function entryLines(text: string, collection: Collection, part: string): Lines | undefined {
  if (collection.flow === true) return undefined
  const start = isSeq(collection) ? itemStart(collection, Number(part)) : pairStart(collection, part)
  if (start === undefined) return undefined
  const at = text.lastIndexOf('\n', start - 1) + 1
  const indent = text.slice(at, start)
  if (!/^ *$/.test(indent)) return undefined
  return {
    at,
    end: lineEnd(
      text,
      contentEnd(isSeq(collection) ? collection.items[Number(part)] : pairOf(collection, part)),
    ),
    indent,
  }
}

interface SourceToken {
  readonly type: string
  readonly offset: number
}

interface SourceItem {
  readonly start: readonly SourceToken[]
}

/** Of its dash. */
function itemStart(seq: YAMLSeq, index: number): number | undefined {
  const items = (seq.srcToken as { readonly items?: readonly SourceItem[] } | undefined)?.items ?? []
  const dashes = items.flatMap(({ start }) => start.filter(({ type }) => type === 'seq-item-ind'))
  return dashes[index]?.offset
}

function pairStart(map: YAMLMap, key: string): number | undefined {
  return keyStart(pairOf(map, key))
}

/** Undefined for what is more than a plain key. */
function keyStart(pair: Pair | undefined): number | undefined {
  const start = (pair?.srcToken as SourceItem | undefined)?.start ?? []
  const isPlain = !start.some(
    ({ type }) => type === 'explicit-key-ind' || type === 'anchor' || type === 'tag',
  )
  return isPlain && isScalar(pair?.key) ? pair.key.range?.[0] : undefined
}

/** Behind the last character that is more than a comment. */
function contentEnd(entry: unknown): number {
  if (isPair(entry)) return Math.max(contentEnd(entry.key), contentEnd(entry.value))
  if ((isMap(entry) || isSeq(entry)) && entry.flow !== true && entry.items.length > 0)
    return contentEnd(entry.items.at(-1))
  const range = (entry as Node | null | undefined)?.range
  // What is empty has its place somewhere behind.
  return range === null || range === undefined || range[0] === range[1] ? 0 : range[1]
}

/** Behind the line that holds what ends at this offset. */
function lineEnd(text: string, offset: number): number {
  if (text[offset - 1] === '\n') return offset
  const feed = text.indexOf('\n', offset)
  return feed < 0 ? text.length : feed + 1
}

/** Where an entry can be added to a collection in block style; undefined where it cannot. */
export function additionLines(text: string, { node, way }: Found, isFirst: boolean): Lines | undefined {
  if (!(isMap(node) || isSeq(node)) || node.flow === true || node.items.length === 0) return undefined
  const first = isSeq(node) ? itemStart(node, 0) : keyStart(node.items[0])
  if (first === undefined) return undefined
  const lineStart = text.lastIndexOf('\n', first - 1) + 1
  // The first key of a list's item stands behind the dash.
  const indent = text.slice(lineStart, first).replaceAll(/[^ ]/g, ' ')
  const at = isFirst ? (behindKey(text, way) ?? lineStart) : lineEnd(text, contentEnd(node.items.at(-1)))
  return { at, end: at, indent }
}

/** So that comments before the first item stay with it. */
function behindKey(text: string, way: Found['way']): number | undefined {
  const last = way.at(-1)
  if (last === undefined || !isMap(last.collection)) return undefined
  return lineEnd(text, contentEnd(pairOf(last.collection, last.part)?.key))
}

/** An anchor within what is written anew would be lost. */
export function anchorWithin(node: unknown): string | undefined {
  if (isPair(node)) return anchorWithin(node.key) ?? anchorWithin(node.value)
  if (isMap(node) || isSeq(node))
    return node.anchor ?? node.items.map(anchorWithin).find((anchor) => anchor !== undefined)
  return isScalar(node) ? node.anchor : undefined
}
