// Answers a refused request: the code for programs, the message for people, nothing of the request itself.
import { STATUS_CODES } from 'node:http'
import { publicMessage, type Refusal } from '../../shared/errors.ts'
import { headerValues } from '../../shared/head.ts'
import { headerNames } from '../../shared/headers/names.ts'
import { grpcStatusOf, isGrpc } from './grpc.ts'
import type { Incoming } from './incoming.ts'

function bodyOf(refusal: Refusal, requestId: string): string {
  const message = publicMessage(refusal)
  return `${JSON.stringify({ error: refusal.code, message, request_id: requestId })}\n`
}

/** What tells ours from the app's. */
function marks(refusal: Refusal, requestId: string): string[] {
  return ['Cache-Control', 'no-store', headerNames.error, refusal.code, headerNames.requestId, requestId]
}

function headersOf(refusal: Refusal, requestId: string, body: string): string[] {
  const headers = [
    'Content-Type',
    'application/json; charset=utf-8',
    'Content-Length',
    String(Buffer.byteLength(body)),
    ...marks(refusal, requestId),
  ]
  // RFC 9110 section 15.5.2: a 401 says how to authenticate.
  if (refusal.status === 401) headers.push('WWW-Authenticate', `Pomerium error="${refusal.code}"`)
  if (refusal.status === 503) headers.push('Retry-After', '1')
  return headers
}

/** Answers; what has begun already is broken off. */
export function refuse({ head, reply }: Incoming, refusal: Refusal, requestId: string): void {
  if (reply.hasBegun || reply.isGone) {
    reply.breakOff()
    return
  }
  if (headerValues(head.headers, 'content-type').some(isGrpc)) {
    const headers = [...grpcStatusOf(refusal), ...marks(refusal, requestId)]
    reply.send({ status: 200, reason: '', headers }, '')
    return
  }
  const body = bodyOf(refusal, requestId)
  reply.send({ status: refusal.status, reason: '', headers: headersOf(refusal, requestId, body) }, body)
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
