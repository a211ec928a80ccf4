// The blocks of lines that an injection leaves in a manifest, between markers, with what they replaced: they come off again.
import { createHash } from 'node:crypto'

const begin = '# >>> onbehalf.dev (onbehalf uninject takes this block out)'
const end = '# <<< onbehalf.dev '
const kept = '#|'
const beginLine = /^ *# >>> onbehalf\.dev /
const endLine = /^ *# <<< onbehalf\.dev ([0-9a-f]{8})\r?$/
/** In a value, it would be taken for a marker. */
export const markerPattern = /^ *# (>>>|<<<) onbehalf\.dev /m

/** @param replaced the lines that stood here, each without its line feed; a carriage return belongs to the line. */
export function blockOf(lines: readonly string[], replaced: readonly string[], indent: string): string[] {
  const inner = [...replaced.map((line) => `${indent}${kept}${line}`), ...lines]
  return [`${indent}${begin}`, ...inner, `${indent}${end}${digestOf(inner)}`]
}

/** Carriage returns aside: who checks a file out may change them. */
function digestOf(lines: readonly string[]): string {
  const text = lines.map((line) => line.replace(/\r$/, '')).join('\n')
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}

export class UnendedBlock extends Error {
  /** At which it begins, counted from 1. */
  readonly line: number

  constructor(line: number) {
    super('the block that begins here has no end')
    this.line = line
  }
}

export interface WithoutBlocks {
  readonly text: string
  readonly blocks: number
  /** Lines, counted from 1, at which a block begins whose lines were changed since. */
  readonly changed: readonly number[]
}

/** The text as it was before. @throws {UnendedBlock} */
export function withoutBlocks(text: string): WithoutBlocks {
  const lines = text.split('\n')
  const left: string[] = []
  const changed: number[] = []
  let blocks = 0
  let isLastCut = false
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string
    isLastCut = false
    if (!beginLine.test(line)) {
      left.push(line)
      continue
    }
    const last = endAfter(lines, i)
    if (last === undefined) throw new UnendedBlock(i + 1)
    const inner = lines.slice(i + 1, last)
    if (digestOf(inner) !== endLine.exec(lines[last] as string)?.[1]) changed.push(i + 1)
    left.push(...inner.flatMap(original))
    blocks++
    isLastCut = last === lines.length - 1
    i = last
  }
  // A text without a line feed at its end got one before the block.
  return { text: left.join('\n').replace(isLastCut ? /\r$/ : /$^/, ''), blocks, changed }
}

/** None begins within another: what stands between would be lost. */
function endAfter(lines: readonly string[], at: number): number | undefined {
  for (let i = at + 1; i < lines.length; i++) {
    const line = lines[i] as string
    if (endLine.test(line)) return i
    if (beginLine.test(line)) return undefined
  }
  return undefined
}

function original(line: string): string[] {
  const found = /^ *#\|(.*)$/s.exec(line)
  return found === null ? [] : [found[1] as string]
}
