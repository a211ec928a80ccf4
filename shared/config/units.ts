// Durations and sizes as people write them in the mesh file.

const msByUnit: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const bytesByUnit: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
}

/** The longest that a timer can wait: 2^31 - 1 milliseconds, a little over 24 days. */
export const maxDurationMs = 2 ** 31 - 1

/** As a regular expression for editors; {@link parseDuration} decides. */
export const durationPattern = '^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$'

/** As a regular expression for editors; {@link parseSize} decides. */
export const sizePattern = '^[0-9]+(B|KB|MB|GB|KiB|MiB|GiB)?$'

/**
 * Parses `250ms`, `30s`, `1.5h` or `1h30m`, as in Go and in Pomerium, to whole milliseconds.
 * Undefined for anything else, and for more than {@link maxDurationMs}.
 */
export function parseDuration(text: string): number | undefined {
  if (text.length > 32 || !new RegExp(durationPattern).test(text)) return undefined
  let totalMs = 0
  for (const [, amount, unit] of text.matchAll(/([0-9.]+)(ms|s|m|h)/g)) {
    totalMs += Number(amount) * (msByUnit[unit as string] as number)
  }
  const ms = Math.round(totalMs)
  return ms <= maxDurationMs ? ms : undefined
}

/** Parses `32KiB`, `64MiB`, `10MB` or a plain number of bytes. Undefined for anything else. */
export function parseSize(text: string): number | undefined {
  const match = /^([0-9]{1,15})(B|KB|MB|GB|KiB|MiB|GiB)?$/.exec(text)
  if (match === null) return undefined
  const bytes = Number(match[1]) * (bytesByUnit[match[2] ?? 'B'] as number)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}
