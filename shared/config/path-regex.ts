// Compiles a route's `regex`, and refuses those that JavaScript's engine could take for ever to match.
import type { Parsed } from './address.ts'

const maxLength = 512
const maxRepeats = 1000
const maxCombinations = 4096

/** Escapes, classes, the beginnings of groups and quantifiers are one token each. */
const token =
  /\\(?:[pPu]\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|c[A-Za-z]|.)|\[(?:\\.|[^\]\\])*\]|\((?:\?:|\?<[^>]*>)?|[*+?]\??|\{[0-9]+(?:,[0-9]*)?\}\??|./gsu

/**
 * Compiles an expression that must match the whole path, as in Pomerium and Envoy. These use RE2, which matches in
 * linear time; ours backtracks, so an expression whose parts can share out the same text in many ways is refused.
 */
export function parsePathRegex(source: string): Parsed<RegExp> {
  if (source.length > maxLength) return { fault: `must be at most ${maxLength} characters long` }
  const foreign = foreignSyntax(source)
  if (foreign !== undefined) return { fault: foreign }
  const plain = withoutUselessEscapes(source)
  const regex = compile(plain)
  if (regex === undefined) return { fault: 'is not a valid regular expression' }
  const slow = slowness(plain)
  return slow === undefined ? { value: regex } : { fault: slow }
}

function compile(source: string): RegExp | undefined {
  try {
    // Alone first: `a)|(b` is valid only between the parentheses that anchor it.
    const bare = new RegExp(source, 'u')
    // Unicode mode refuses the escapes that it does not know; without it they would mean a letter.
    return new RegExp(`^(?:${bare.source})$`, 'u')
  } catch {
    return undefined
  }
}

/** RE2 lets any punctuation be escaped, as in `\-`; Unicode mode only what has a meaning. */
function withoutUselessEscapes(source: string): string {
  const plain = source.replaceAll(token, (text) => (text === '\\-' ? '-' : text))
  return plain.replaceAll(/\\([\s\S])/g, (text, escaped: string) =>
    '!"#%&\',:;<=>@`~'.includes(escaped) ? escaped : text,
  )
}

function foreignSyntax(source: string): string | undefined {
  const plain = source.replace(/\\[^1-9kQAz]|\[(?:\\.|[^\]\\])*\]/g, '')
  if (/\(\?<?[=!]/.test(plain)) return 'looks ahead or behind, which RE2 and so Pomerium cannot do'
  if (/\\[1-9k]/.test(plain)) return 'refers back to a group, which RE2 and so Pomerium cannot do'
  if (plain.includes('(?P<')) return 'names a group by (?P<name>; write (?<name> or leave out the name'
  if (/\(\?[a-zA-Z-]*[):]/.test(plain.replaceAll('(?:', '(')))
    return 'sets flags such as (?i), which are not served'
  if (/\\[QAz]/.test(plain)) return 'uses \\Q, \\A or \\z: it matches the whole path anyway'
  return undefined
}

/** One character's worth of an expression. */
interface Piece {
  /** Which of the visible ASCII characters it matches, one bit each. */
  readonly characters: bigint
  /** False where the expression can do without it. */
  isNeeded: boolean
  /** How many more of it there may be than there must be. */
  slack: number
}

interface Group {
  readonly firstPiece: number
  branches: number
  /** Whether anything inside repeats, is optional or has alternatives. */
  varies: boolean
}

interface Reading {
  readonly pieces: Piece[]
  readonly open: Group[]
  /** The group that has just ended, to which a quantifier would apply. */
  closed: Group | undefined
  /** In how many ways alternatives and optional parts combine. */
  combinations: number
}

/** What makes a valid expression slow; undefined where it is not. */
function slowness(source: string): string | undefined {
  const reading: Reading = { pieces: [], open: [newGroup(0)], closed: undefined, combinations: 1 }
  for (const [text] of source.matchAll(token)) {
    const bounds = readQuantifier(text)
    const fault = bounds === undefined ? readToken(reading, text) : quantify(reading, bounds)
    if (fault !== undefined) return fault
  }
  closeGroup(reading)
  if (reading.combinations > maxCombinations)
    return 'has too many alternatives and optional parts that combine'
  return sharedRepeats(reading.pieces)
}

function newGroup(firstPiece: number): Group {
  return { firstPiece, branches: 1, varies: false }
}

function readToken(reading: Reading, text: string): undefined {
  reading.closed = undefined
  if (text.startsWith('(')) reading.open.push(newGroup(reading.pieces.length))
  else if (text === ')') closeGroup(reading)
  else if (text === '|') (reading.open.at(-1) as Group).branches++
  else if (!zeroWidth.has(text)) reading.pieces.push(makePiece(text))
}

const zeroWidth: ReadonlySet<string> = new Set(['^', '$', '\\b', '\\B'])

function closeGroup(reading: Reading): void {
  const group = reading.open.pop() as Group
  reading.combinations *= group.branches
  if (group.branches > 1) {
    group.varies = true
    makeOptional(reading.pieces, group.firstPiece)
  }
  const outer = reading.open.at(-1)
  if (outer !== undefined) outer.varies ||= group.varies
  reading.closed = group
}

function makeOptional(pieces: readonly Piece[], from: number): void {
  for (const piece of pieces.slice(from)) piece.isNeeded = false
}

interface Bounds {
  readonly min: number
  readonly max: number
}

function readQuantifier(text: string): Bounds | undefined {
  switch (text[0]) {
    case '*':
      return { min: 0, max: Infinity }
    case '+':
      return { min: 1, max: Infinity }
    case '?':
      return { min: 0, max: 1 }
  }
  const braces = /^\{([0-9]+)(,?)([0-9]*)/.exec(text)
  if (braces === null) return undefined
  const [, min, comma, max] = braces
  return { min: Number(min), max: comma === '' ? Number(min) : max === '' ? Infinity : Number(max) }
}

function quantify(reading: Reading, { min, max }: Bounds): string | undefined {
  const { pieces, open, closed } = reading
  reading.closed = undefined
  if (min > maxRepeats || (max > maxRepeats && max !== Infinity))
    return `repeats more than ${maxRepeats} times`
  if (closed?.varies === true && max > 1) {
    return 'repeats a group whose parts repeat, are optional or have alternatives, which can take for ever; write it out'
  }
  const from = closed?.firstPiece ?? pieces.length - 1
  if (min === 0) makeOptional(pieces, from)
  if (max === 1 && min === 0) reading.combinations *= 2
  if (max > 1) for (const piece of pieces.slice(from)) piece.slack = Math.max(piece.slack, max - min)
  if (max > min) for (const group of open) group.varies = true
  return undefined
}

function makePiece(text: string): Piece {
  const single = new RegExp(`^(?:${text})$`, 'u')
  let characters = 0n
  for (let code = 0x21; code <= 0x7e; code++) {
    if (single.test(String.fromCharCode(code))) characters |= 1n << BigInt(code - 0x21)
  }
  return { characters, isNeeded: true, slack: 0 }
}

const anyCharacter = (1n << BigInt(0x7e - 0x21 + 1)) - 1n

/** Two repeats that can take the same text, with nothing between them that would tell where one ends. */
function sharedRepeats(pieces: readonly Piece[]): string | undefined {
  // A final .* takes whatever is left, so nothing is ever tried again.
  const last = pieces.at(-1)
  const takesTheRest = last?.characters === anyCharacter && last.slack === Infinity
  const relevant = takesTheRest ? pieces.slice(0, -1) : pieces
  const shares = relevant.some((first, i) => first.slack > 0 && reachesAnother(first, relevant.slice(i + 1)))
  if (!shares) return undefined
  return 'has two repeats that can match the same text, which can take for ever; write [^/]* for one part of a path'
}

function reachesAnother(first: Piece, following: readonly Piece[]): boolean {
  for (const piece of following) {
    const overlaps = (piece.characters & first.characters) !== 0n
    if (overlaps && piece.slack > 0) return true
    if (!overlaps && piece.isNeeded) return false
  }
  return false
}
