// Words for what tokens hold: times as people say them, and texts that cannot harm the terminal they are shown on.
import { clockSkewSeconds } from '../../shared/assertion/verify.ts'

/** Beyond ASCII what moves a cursor, hides, or turns the direction of writing; JSON escapes the rest. */
const treacherous = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]/g

/** Escapes as JSON does, so that JSON stays the same JSON. For all that is written, since tokens are anybody's text. */
export function escapeTreacherous(text: string): string {
  return text.replace(
    treacherous,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** A plain word as it is, all else in quotes: no value can look like something that we say. */
export function quoteUnlessPlain(text: string): string {
  return /^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(text)
}

/** `1 key`, `3 keys`. */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

/** `2026-01-15T12:00:00Z`, which `--at` takes too. */
export function isoTime(seconds: number): string {
  const time = new Date(seconds * 1000)
  return Number.isNaN(time.getTime()) ? 'beyond any calendar' : time.toISOString().replace(/\.\d+Z$/, 'Z')
}

/** `95 s`, `3 min`, `26 h`, `12 days`: exact where clocks are compared, short where they are not. */
export function span(seconds: number): string {
  const whole = Math.floor(Math.abs(seconds))
  if (whole < 120) return `${whole} s`
  if (whole < 2 * 3600) return `${Math.floor(whole / 60)} min`
  if (whole < 2 * 86_400) return `${Math.floor(whole / 3600)} h`
  return `${Math.floor(whole / 86_400)} days`
}

/** The claims that hold a time, in the order of a token's life. */
export const timeClaims = ['iat', 'nbf', 'exp'] as const
export type TimeClaim = (typeof timeClaims)[number]

/** What a time claim says, seen from now. Both in seconds since the epoch. */
export function timeWords(claim: TimeClaim, seconds: number, nowSeconds: number): string {
  const left = seconds - nowSeconds
  const isLetPass =
    claim === 'exp' ? left <= 0 && left > -clockSkewSeconds : left > 0 && left <= clockSkewSeconds
  const words = plainTimeWords(claim, left)
  return isLetPass ? `${words}, which sidecars let pass: ${clockSkewSeconds} s are allowed for` : words
}

/** The same for a certificate: of its times a sidecar lets nothing pass. */
export function certificateTimeWords(notBefore: number, notAfter: number, nowSeconds: number): string {
  if (nowSeconds < notBefore) return plainTimeWords('nbf', notBefore - nowSeconds)
  return plainTimeWords('exp', notAfter - nowSeconds)
}

function plainTimeWords(claim: TimeClaim, left: number): string {
  if (claim === 'exp') return left > 0 ? `expires in ${span(left)}` : `expired ${span(left)} ago`
  const verb = claim === 'iat' ? 'issued' : 'valid from'
  return left > 0 ? `${verb} ${span(Math.ceil(left))} in the future` : `${verb} ${span(left)} ago`
}
