// Answers a refused request: the code for programs, the message for people, nothing of the request itself.
import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Refusal } from '../../shared/errors.ts'
import { headerNames } from '../../shared/headers/names.ts'
import { hasBody } from './upload.ts'

function bodyOf(refusal: Refusal, requestId: string): string {
  return `${JSON.stringify({ error: refusal.code, message: refusal.message, request_id: requestId })}\n`
}

function headersOf(refusal: Refusal, requestId: string, body: string): string[] {
  const headers = [
    'Content-Type',
    'application/json; charset=utf-8',
    'Content-Length',
    String(Buffer.byteLength(body)),
    'Cache-Control',
    'no-store',
    headerNames.error,
    refusal.code,
    headerNames.requestId,
    requestId,
  ]
  // RFC 9110 section 15.5.2: a 401 says how to authenticate.
  if (refusal.status === 401) headers.push('WWW-Authenticate', `Pomerium error="${refusal.code}"`)
  if (refusal.status === 503) headers.push('Retry-After', '1')
  return headers
}

/** Answers, and closes the connection where the rest of a body is not going to be read. */
export function refuse(response: ServerResponse, refusal: Refusal, requestId: string): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const body = bodyOf(refusal, requestId)
  const headers = headersOf(refusal, requestId, body)
  if (hasBody(response.req) && !response.req.complete) headers.push('Connection', 'close')
  // A reason that Node did not take before would be taken up again.
  response.writeHead(refusal.status, STATUS_CODES[refusal.status], headers)
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

/**
 * The same for where there is only a socket: what was sent on it is no request that can be answered like one.
 * @param reason for clients that show nothing else.
 */
export function rawRefusal(
  refusal: Refusal,
  requestId: string,
  reason = STATUS_CODES[refusal.status] ?? '',
): string {
  const body = bodyOf(refusal, requestId)
  const date = new Date().toUTCString()
  const headers = [...headersOf(refusal, requestId, body), 'Date', date, 'Connection', 'close']
  let head = `HTTP/1.1 ${refusal.status} ${reason}\r\n`
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`
  return `${head}\r\n${body}`
}
