// Warnings and reasons as they are shown to whoever creates a pod: an API server cuts long ones, and drops what goes beyond.

/** In characters, of one and of all. */
const longest = 256
const longestOfAll = 4_096
/** Of reasons, which no API server cuts: in UTF-16 units. */
const longestReason = 512
const longestReasons = 8_192

export function shownWarnings(warnings: readonly string[]): readonly string[] {
  const shown: string[] = []
  let left = longestOfAll
  for (const warning of warnings) {
    const text = shortened(`onbehalf: ${withoutControls(warning)}`)
    left -= Array.from(text).length
    if (left >= 0) shown.push(text)
  }
  return shown
}

/** So many as are read by anybody, and how many there are more. */
export function shownReasons(reasons: readonly string[]): readonly string[] {
  const shown: string[] = []
  let left = longestReasons
  for (const reason of reasons) {
    const text = cut(reason, longestReason)
    left -= text.length
    if (left < 0) return [...shown, `and ${reasons.length - shown.length} more`]
    shown.push(text)
  }
  return shown
}

/** Not in the midst of a character. */
export function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1).toWellFormed()}…`
}

/** An API server drops a warning with a control character altogether. */
export function withoutControls(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ')
}

function shortened(text: string): string {
  const characters = Array.from(text)
  return characters.length <= longest ? text : `${characters.slice(0, longest - 1).join('')}…`
}
