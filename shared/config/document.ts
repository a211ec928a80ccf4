// Reads the YAML of a mesh file into plain values, and knows where in the file each of them stands.
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type Pair,
  type YAMLError,
} from 'yaml'
import type { Path } from './problem.ts'

/** From 1, both. */
export interface Position {
  readonly line: number
  readonly column: number
}

export interface Fault {
  readonly path: Path
  readonly position: Position
  readonly message: string
}

export interface MeshDocument {
  /** Plain maps (without prototype members), lists and scalars; undefined for an empty or unreadable file. */
  readonly value: unknown
  readonly faults: readonly Fault[]
  /** Where the value at `path` stands, or the key that holds it; for what is missing, its nearest ancestor. */
  readonly locate: (path: Path) => Position
  /** Where the last key of `path` stands; for what is missing, its nearest ancestor. */
  readonly locateKey: (path: Path) => Position
}

const maxTextLength = 1024 * 1024
const maxDepth = 32
/** Aliases included, each time that they are used: a few lines of them can stand for billions of values. */
const maxValues = 100_000

/** Never throws: whatever cannot be read is a fault. */
export function readDocument(text: string): MeshDocument {
  if (text.length > maxTextLength) return unreadable('is larger than 1 MiB; a mesh file is not')
  const lines = new LineCounter()
  let document: Document.Parsed
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      stringKeys: true,
      merge: false,
      resolveKnownTags: false,
    })
  } catch {
    return unreadable('is nested too deeply to be read')
  }
  return readParsed(document, lines)
}

function readParsed(document: Document.Parsed, lines: LineCounter): MeshDocument {
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const faults = yamlFaults([...document.errors, ...document.warnings], positionAt)
  if (document.directives.yaml.explicit === true && document.directives.yaml.version !== '1.2') {
    const message =
      'YAML 1.1 reads words such as yes and numbers such as 017 differently; remove the %YAML line'
    faults.push({ path: [], position: { line: 1, column: 1 }, message })
  }
  const report = (path: Path, offset: number, message: string): void => {
    faults.push({ path, position: positionAt(offset), message })
  }
  // What a broken text was taken for would only bring messages about things that nobody wrote.
  const isBroken = document.errors.some((error) => error.code !== 'DUPLICATE_KEY')
  const value = isBroken ? undefined : toValue(document, report)
  return {
    value,
    faults,
    locate: (path) => positionAt(offsetOf(document, path, 'value')),
    locateKey: (path) => positionAt(offsetOf(document, path, 'key')),
  }
}

function unreadable(message: string): MeshDocument {
  const position = { line: 1, column: 1 }
  return {
    value: undefined,
    faults: [{ path: [], position, message }],
    locate: () => position,
    locateKey: () => position,
  }
}

/** The first of each line: what follows from it would only hide it. */
function yamlFaults(errors: readonly YAMLError[], positionAt: (offset: number) => Position): Fault[] {
  const byLine = new Map<number, Fault>()
  for (const error of errors) {
    const position = positionAt(error.pos[0])
    if (byLine.has(position.line)) continue
    byLine.set(position.line, { path: [], position, message: yamlMessage(error) })
  }
  return [...byLine.values()]
}

function yamlMessage(error: YAMLError): string {
  switch (error.code) {
    case 'DUPLICATE_KEY':
      return 'this key stands here a second time; keep one of the two'
    case 'MULTIPLE_DOCS':
      return 'a second document begins here; a mesh file is one document'
    case 'TAB_AS_INDENT':
      return 'a tab indents this line; YAML takes spaces only'
    case 'NON_STRING_KEY':
      return 'a key must be a plain word'
    case 'TAG_RESOLVE_FAILED':
      return 'tags such as !name have no meaning here; remove it'
    default:
      return `this is not valid YAML: ${parserWords(error.message)}`
  }
}

/** Without what the parser quotes from the file: it could be a secret in the wrong place. */
function parserWords(message: string): string {
  if (message.includes('call stack')) return 'it is nested too deeply'
  return (message.split('\n', 1)[0] as string).replace(/: ["'].*$/, '')
}

/** Names that JavaScript objects have a meaning for; no key of a mesh file needs them. */
const unusableKeys = new Set(['__proto__', 'constructor', 'prototype'])

type Report = (path: Path, offset: number, message: string) => void

function toValue(document: Document.Parsed, report: Report): unknown {
  let values = 0
  let isTooMuch = false

  function convert(node: unknown, path: Path): unknown {
    if (isTooMuch) return undefined
    if (++values > maxValues || path.length > maxDepth) {
      isTooMuch = true
      report([], 0, 'holds more values than a mesh file can have, or nests them too deeply')
      return undefined
    }
    if (isAlias(node)) return convertAlias(node, path)
    if (isMap(node)) return convertMap(node.items, path)
    if (isSeq(node)) return node.items.map((item, index) => convert(item, [...path, index]))
    return isScalar(node) ? node.value : null
  }

  function convertAlias(alias: { source: string; resolve(doc: Document): unknown }, path: Path): unknown {
    const target = alias.resolve(document)
    if (target !== undefined) return convert(target, path)
    report(path, offsetOf(document, path, 'value'), `no anchor &${alias.source} stands before this alias`)
    return undefined
  }

  function convertMap(pairs: readonly Pair[], path: Path): Record<string, unknown> {
    const map: Record<string, unknown> = {}
    for (const pair of pairs) {
      const key = keyOf(pair)
      const at = [...path, key]
      if (unusableKeys.has(key) || key === '<<') {
        const message =
          key === '<<' ? 'merge keys are not read; write the keys out' : 'cannot be used as a key'
        report(at, offsetOf(document, at, 'key'), message)
      } else map[key] = convert(pair.value, at)
    }
    return map
  }

  const value = convert(document.contents, [])
  return isTooMuch ? undefined : value
}

function keyOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key)
}

/** The offset of the deepest part of `path` that exists. */
function offsetOf(document: Document.Parsed, path: Path, want: 'key' | 'value'): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const [index, step] of path.entries()) {
    const container = isAlias(node) ? node.resolve(document) : node
    const child = stepInto(container, step)
    if (child === undefined) return offset
    const isScalarEnd = index === path.length - 1 && want === 'value' && isScalar(child.value)
    const valueStart = startOf(child.value)
    offset =
      isScalarEnd && !isBlank(child.value) ? (valueStart ?? offset) : (child.keyStart ?? valueStart ?? offset)
    node = child.value
  }
  return offset
}

function stepInto(
  container: unknown,
  step: string | number,
): { value: unknown; keyStart: number | undefined } | undefined {
  if (isSeq(container)) {
    const value = container.items[Number(step)]
    return value === undefined ? undefined : { value, keyStart: undefined }
  }
  if (!isMap(container)) return undefined
  const pair = container.items.find((candidate) => keyOf(candidate) === String(step))
  return pair === undefined ? undefined : { value: pair.value, keyStart: startOf(pair.key) }
}

/** A key without a value: the position of nothing would be the next line. */
function isBlank(node: unknown): boolean {
  return isScalar(node) && node.value === null && node.source === ''
}

function startOf(node: unknown): number | undefined {
  const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined
  return Array.isArray(range) ? (range[0] as number) : undefined
}
