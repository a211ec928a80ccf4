// Writes heads: byte for byte what is given, and nothing that could be taken for another line.
import { fieldText } from './syntax.ts'

/** RFC 9110 section 5.5: visible characters, blanks and bytes beyond ASCII. */
const sayable = new RegExp(`^${fieldText}$`)
/** RFC 9110 section 5.1. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** @throws {Error} what is no field. */
export function fieldLine(name: string, value: string): string {
  if (!token.test(name) || !sayable.test(value)) throw new Error('a header field cannot be sent')
  return `${name}: ${value}\r\n`
}

/**
 * @param headers names and values in turn.
 * @throws {Error} what is no field.
 */
export function fieldLines(headers: readonly string[]): string {
  let text = ''
  for (let i = 0; i < headers.length; i += 2)
    text += fieldLine(headers[i] as string, headers[i + 1] as string)
  return text
}

/** @throws {Error} what is no reason phrase. */
export function statusLine(status: number, reason: string): string {
  if (!sayable.test(reason)) throw new Error('a reason phrase cannot be sent')
  return `HTTP/1.1 ${status} ${reason}\r\n`
}

/** @throws {Error} what is no method or no target. */
export function requestLine(method: string, target: string): string {
  if (!token.test(method) || !/^[\x21-\x7e]+$/.test(target)) throw new Error('a request line cannot be sent')
  return `${method} ${target} HTTP/1.1\r\n`
}

let dateOfSecond = ''
let second = 0

/** As `Date` has it (RFC 9110 section 6.6.1). */
export function dateNow(): string {
  const now = Math.floor(Date.now() / 1_000)
  if (now !== second) {
    second = now
    dateOfSecond = new Date(now * 1_000).toUTCString()
  }
  return dateOfSecond
}
