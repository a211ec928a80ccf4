// What a message's fields say of its connection, in one pass.
import type { HttpVersion } from '../http/incoming.ts'

export interface ConnectionOptions {
  /** Whether the connection ends behind the message (RFC 9112 section 9.3). */
  readonly ends: boolean
  /** Whether `Connection` names `upgrade`. */
  readonly hasUpgrade: boolean
}

/** RFC 9112 section 9.3: `close` wins; before HTTP/1.1 a connection ends unless it is said that it stays. */
export function connectionOptions(headers: readonly string[], version: HttpVersion): ConnectionOptions {
  let closes = false
  let keeps = version === '1.1'
  let hasUpgrade = false
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue
    for (const option of (headers[i + 1] as string).toLowerCase().split(',')) {
      const token = option.trim()
      if (token === 'close') closes = true
      else if (token === 'keep-alive') keeps = true
      else if (token === 'upgrade') hasUpgrade = true
    }
  }
  return { ends: closes || !keeps, hasUpgrade }
}
