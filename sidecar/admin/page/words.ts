// Numbers, times and foreign texts as people read them.

/** What hides, moves, or turns the direction of writing. Lines may break. */
const treacherous = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u202f]/gu

/** Escapes as the command line does: names, paths and reasons are anybody's text. */
export function plain(text: string): string {
  return text.replace(treacherous, (character) => {
    const hex = (character.codePointAt(0) ?? 0).toString(16)
    return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`
  })
}

/** `1 key`, `3 keys`. */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

/** `95 s`, `3 min`, `26 h`, `12 days`. */
export function span(ms: number): string {
  const seconds = Math.floor(Math.abs(ms) / 1_000)
  if (seconds < 120) return `${seconds} s`
  if (seconds < 2 * 3_600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3_600)} h`
  return `${Math.floor(seconds / 86_400)} days`
}

/** `0/s`, `0.3/s`, `12/s`: three figures at most before it is a thousand. */
export function perSecond(rate: number): string {
  if (rate >= 10) return `${Math.round(rate)}/s`
  const tenths = Math.round(rate * 10) / 10
  return rate > 0 && tenths === 0 ? 'under 0.1/s' : `${tenths}/s`
}

/** `0.4 ms`, `12 ms`, `1.5 s`; nothing measured is a dash. */
export function duration(seconds: number | undefined): string {
  if (seconds === undefined) return '–'
  const ms = seconds * 1_000
  if (ms < 10) return `${Math.round(ms * 10) / 10} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  return `${Math.round(seconds * 10) / 10} s`
}

export function bytes(number: number): string {
  if (number < 1_024) return `${number} B`
  const kib = number / 1_024
  if (kib < 1_024) return `${Math.round(kib * 10) / 10} KiB`
  return `${Math.round((kib / 1_024) * 10) / 10} MiB`
}

/** The time of day here, `14:03:09`. */
export function clock(atMs: number): string {
  const at = new Date(atMs)
  return [at.getHours(), at.getMinutes(), at.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':')
}

/** A word as a shell takes it as one. */
export function shellWord(text: string): string {
  return /^[\w./:@+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
