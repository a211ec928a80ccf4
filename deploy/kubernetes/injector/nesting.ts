// How deep a JSON text nests, before it is parsed: what the parser keeps for each level can be more than a process may have.

/** A review has some 20. */
const maxDepth = 100

const [quote, backslash] = [0x22, 0x5c]
const opening = new Set([0x5b, 0x7b])
const closing = new Set([0x5d, 0x7d])

/** Whether it has more than 100 levels. One that is no JSON may have any answer. */
export function nestsDeeply(text: string): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) at = endOfString(text, at + 1)
    else if (closing.has(code)) depth--
    else if (opening.has(code) && ++depth > maxDepth) return true
  }
  return false
}

/** @returns where its closing quote is, or the end. */
function endOfString(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) return at
    if (code === backslash) at++
  }
  return text.length
}
