// Warnings as an API server shows them to whoever creates a pod: it cuts long ones, and drops what goes beyond.

/** In characters, of one and of all. */
const longest = 256
const longestOfAll = 4_096

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

/** An API server drops a warning with a control character altogether. */
export function withoutControls(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ')
}

function shortened(text: string): string {
  const characters = Array.from(text)
  return characters.length <= longest ? text : `${characters.slice(0, longest - 1).join('')}…`
}
