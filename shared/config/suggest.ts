// Finds what a misspelt word was probably meant to be.

/** `; did you mean "policy"?`, or nothing where no candidate is close. To be appended to a message. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const meant = closestWord(word, candidates)
  return meant === undefined ? '' : `; did you mean "${meant}"?`
}

/** The candidate with the fewest edits, at most a third of the word's length; case counts little. */
export function closestWord(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > 64) return undefined
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(simplify(word), simplify(candidate))
    if (distance >= bestDistance || candidate === word) continue
    best = candidate
    bestDistance = distance
  }
  return best
}

function simplify(word: string): string {
  return word.toLowerCase().replaceAll('-', '_')
}

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 16) return Infinity
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row[j] = Math.min(at(last, j) + 1, at(row, j - 1) + 1, substituted)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwap) row[j] = Math.min(at(row, j), at(beforeLast, j - 2) + 1)
    }
    beforeLast = last
    last = row
  }
  return at(last, b.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] as number
}
