// What a message's fields say of its connection, in one pass.
import type { HttpVersion } from '../http/incoming.ts'

export interface ConnectionOptions {
  /** Whether the connection ends behind the message (RFC 9112 section 9.3). */
  readonly ends: boolean
  /** Whether `Connection` names `upgrade`. */
  readonly hasUpgrade: boolean
}

/**
 * RFC 9112 section 9.3: `close` wins; before HTTP/1.1 a connection ends unless it is said that it stays. By
 * `Proxy-Connection` it can only end: to those who heed it, what comes behind is no request.
 */
export function connectionOptions(headers: readonly string[], version: HttpVersion): ConnectionOptions {
  let closes = false
  let keeps = version === '1.1'
  let hasUpgrade = false
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (!isConnectionName(name)) continue
    const isOurs = name.length === connection.length
    for (const option of (headers[i + 1] as string).toLowerCase().split(',')) {
      const token = option.trim()
      if (token === 'close') closes = true
      else if (token === 'keep-alive') keeps ||= isOurs
      else if (token === 'upgrade' && isOurs) hasUpgrade = true
      else if (token === 'upgrade') closes = true
    }
  }
  return { ends: closes || !keeps, hasUpgrade }
}

const connection = 'connection'
const proxyConnection = 'proxy-connection'

/** Whether it is `Connection`, or what some readers take for it (RFC 9112 appendix C.2.2). @param name in any case. */
export function isConnectionName(name: string): boolean {
  if (name.length !== connection.length && name.length !== proxyConnection.length) return false
  const lower = name.toLowerCase()
  return lower === connection || lower === proxyConnection
}
