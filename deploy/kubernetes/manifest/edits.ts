// A JSON patch as edits of whole lines: what is added stands between markers, what changes keeps its old lines beside it.
import { isMap, isSeq, type Document } from 'yaml'
import { applyPatch, partsOf, pointer, type Operation } from '../injection/patch.ts'
import { blockOf } from './blocks.ts'
import {
  additionLines,
  anchorWithin,
  enclosingEntry,
  find,
  pairOf,
  Unreachable,
  type Lines,
} from './places.ts'
import { writeYaml } from './yaml.ts'

interface Edit extends Lines {
  /** The deeper comes first where several begin at one offset. */
  readonly depth: number
  readonly rendered: readonly string[]
}

interface Addition extends Lines {
  readonly operation: Operation
  readonly depth: number
  readonly rendered: readonly string[]
}

/** An entry that is written anew. */
interface Rewriting {
  readonly lines: Lines
  readonly path: readonly string[]
}

/**
 * @param operations of one pod, in order, with paths from the top of the document.
 * @throws {Unreachable} a place cannot be edited; the message says which, and what to do.
 */
export function editsFor(
  text: string,
  document: Document,
  operations: readonly Operation[],
): readonly Edit[] {
  const additions: Addition[] = []
  const rewritings = new Map<string, Rewriting>()
  const before = new Map<string, number>()
  for (const operation of operations) {
    const addition = additionOf(text, document, operation, before)
    if (addition !== undefined) {
      additions.push(addition)
      continue
    }
    const { lines, path } = rewritingOf(text, document, operation)
    rewritings.set(pointer(...path), { lines, path })
  }
  const outermost = new Map(
    [...rewritings].filter(([, { path }]) => outerOf(path.slice(0, -1), rewritings) === undefined),
  )
  const covered = Map.groupBy(operations, (operation) => outerOf(homeOf(document, operation), outermost))
  const uncovered = new Set(covered.get(undefined))
  return [
    ...[...outermost].map(([key, each]) => rewrite(document, each, covered.get(key) ?? [])),
    ...merge(additions.filter(({ operation }) => uncovered.has(operation))),
  ]
}

/** The outermost of the entries at this path and above it. */
function outerOf(path: readonly string[], entries: ReadonlyMap<string, unknown>): string | undefined {
  return path.map((_, i) => pointer(...path.slice(0, i + 1))).find((above) => entries.has(above))
}

/** What an operation changes: the list or mapping to which it adds, or the value that it replaces. */
function homeOf(document: Document, { op, path }: Operation): readonly string[] {
  const parts = partsOf(path)
  const above = parts.slice(0, -1)
  const parent = op === 'add' ? find(document, above).node : undefined
  const isNew = isSeq(parent) || (isMap(parent) && pairOf(parent, parts.at(-1) as string) === undefined)
  return isNew ? above : parts
}

/** @param before how many items were put before the first one, by list. */
function additionOf(
  text: string,
  document: Document,
  operation: Operation,
  before: Map<string, number>,
): Addition | undefined {
  if (operation.op === 'replace') return undefined
  const parts = partsOf(operation.path)
  const key = parts.at(-1) as string
  const found = find(document, parts.slice(0, -1))
  if (isMap(found.node) && pairOf(found.node, key) !== undefined) return undefined
  const list = pointer(...parts.slice(0, -1))
  const isFirst = isSeq(found.node) && Number(key) === (before.get(list) ?? 0) && found.node.items.length > 0
  if (isFirst) before.set(list, Number(key) + 1)
  const lines = additionLines(text, found, isFirst)
  if (lines === undefined) return undefined
  const value = isSeq(found.node) ? [operation.value] : { [key]: operation.value }
  return { ...lines, operation, depth: parts.length, rendered: render(value, lines.indent) }
}

function rewritingOf(text: string, document: Document, operation: Operation): Rewriting {
  const home = homeOf(document, operation)
  const found = find(document, home)
  const { lines, depth } = enclosingEntry(text, found)
  const path = home.slice(0, depth)
  const anchor = anchorWithin(find(document, path).node)
  if (anchor !== undefined)
    throw new Unreachable(
      `${path.join('.')} holds the anchor &${anchor} and would have to be written anew: write it out where it is used`,
    )
  return { lines, path }
}

function rewrite(document: Document, { lines, path }: Rewriting, operations: readonly Operation[]): Edit {
  const key = path.at(-1) as string
  const { node, way } = find(document, path)
  const prefix = pointer(...path)
  const isWhole = (operation: Operation) => operation.path === prefix
  const value = operations.reduce<unknown>(
    (before, operation) =>
      isWhole(operation)
        ? operation.value
        : applyPatch(before, [{ ...operation, path: operation.path.slice(prefix.length) }]),
    node?.toJS(document) ?? undefined,
  )
  const entry = isSeq(way.at(-1)?.collection) ? [value] : { [key]: value }
  return { ...lines, depth: path.length, rendered: render(entry, lines.indent) }
}

function render(value: unknown, indent: string): string[] {
  return writeYaml(value)
    .trimEnd()
    .split('\n')
    .map((line) => (line === '' ? line : indent + line))
}

/** One block for all that is added at one place. */
function merge(additions: readonly Addition[]): Edit[] {
  const places = Map.groupBy(additions, ({ at, depth, indent }) => `${at} ${depth} ${indent}`)
  return [...places.values()].map((group) => {
    const { at, end, indent, depth } = group[0] as Addition
    return { at, end, indent, depth, rendered: group.flatMap(({ rendered }) => rendered) }
  })
}

export function applyEdits(text: string, edits: readonly Edit[]): string {
  const feed = text.includes('\r\n') ? '\r\n' : '\n'
  // What replaces lines ends where something can be added: it comes first there.
  const sorted = edits.toSorted((a, b) => a.at - b.at || a.end - b.end || b.depth - a.depth)
  const parts: string[] = []
  let offset = 0
  for (const { at, end, rendered, indent } of sorted) {
    if (at > offset) parts.push(text.slice(offset, at))
    const replaced = linesOf(text.slice(at, end))
    const isOpenEnd = end === text.length && !text.endsWith('\n')
    if (parts.at(-1)?.endsWith('\n') === false) parts.push(feed)
    const ours = (lines: readonly string[]) => lines.map((line) => line + (feed === '\r\n' ? '\r' : ''))
    const block = blockOf(ours(rendered), replaced, indent)
    const withReturns = [...ours(block.slice(0, 1)), ...block.slice(1, -1), ...ours(block.slice(-1))].join(
      '\n',
    )
    parts.push(isOpenEnd ? withReturns.replace(/\r$/, '') : `${withReturns}\n`)
    offset = end
  }
  return parts.join('') + text.slice(offset)
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n')
}
