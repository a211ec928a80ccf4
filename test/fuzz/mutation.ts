// What chance changes of a text, each character of which stands for one byte.
import type { Chance } from './fuzz.ts'

/**
 * As it is in half of all cases, else changed up to three times.
 * @param pieces what is put in, mostly: what its reader tells apart.
 */
export function mutated(text: string, pieces: readonly string[], chance: Chance): string {
  const times = Math.max(chance(6) - 2, 0)
  let changed = text
  for (let i = 0; i < times; i++) changed = mutatedOnce(changed, pieces, chance)
  return changed
}

function mutatedOnce(text: string, pieces: readonly string[], chance: Chance): string {
  const at = chance(text.length + 1)
  const piece = pieces[chance(pieces.length)] as string
  switch (chance(7)) {
    case 0:
      return `${text.slice(0, at)}${piece}${text.slice(at)}`
    case 1:
      return `${text.slice(0, at)}${piece}${text.slice(at + 1)}`
    case 2:
      return `${text.slice(0, at)}${text.slice(at + 1 + chance(3))}`
    case 3:
      return text.slice(0, at)
    case 4:
      return `${text.slice(0, at)}${String.fromCharCode(chance(256))}${text.slice(at + 1)}`
    case 5:
      return flipped(text, at, chance(8))
    default:
      return `${text.slice(0, at + chance(12))}${text.slice(at)}`
  }
}

/** One bit is another one. */
function flipped(text: string, at: number, bit: number): string {
  if (at >= text.length) return text
  const code = (text.charCodeAt(at) ^ (1 << bit)) & 0xff
  return `${text.slice(0, at)}${String.fromCharCode(code)}${text.slice(at + 1)}`
}

/** The begin of one and the end of another. */
export function spliced(first: string, second: string, chance: Chance): string {
  return first.slice(0, chance(first.length + 1)) + second.slice(chance(second.length + 1))
}

/** Cut into pieces: none, at a few places, or each byte by itself. */
export function cutUp(bytes: Buffer, chance: Chance): Buffer[] {
  const how = chance(8)
  const cuts =
    how === 0
      ? Array.from({ length: bytes.length }, (_, i) => i)
      : Array.from({ length: how < 3 ? 0 : chance(6) }, () => chance(bytes.length + 1))
  const borders = [0, ...cuts.toSorted((a, b) => a - b), bytes.length]
  return borders
    .slice(1)
    .map((end, i) => bytes.subarray(borders[i], end))
    .filter((piece) => piece.length > 0)
}
