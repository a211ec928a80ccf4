// Refusals as gRPC has them: status 200, and what happened in the trailers (gRPC over HTTP/2, "Trailers-Only").
import { publicMessage, type Refusal, type RefusalCode } from '../../shared/errors.ts'

/** `application/grpc`, with or without a message format; not gRPC-Web, whose trailers are in the body. */
export function isGrpc(contentType: string): boolean {
  return /^application\/grpc(?:[+;]|$)/i.test(contentType.trim())
}

const invalidArgument = 3
const deadlineExceeded = 4
const notFound = 5
const permissionDenied = 7
const resourceExhausted = 8
const unavailable = 14
const unauthenticated = 16

const byStatus: Readonly<Record<number, number>> = {
  400: invalidArgument,
  401: unauthenticated,
  403: permissionDenied,
  404: notFound,
  421: notFound,
  413: resourceExhausted,
  431: resourceExhausted,
  504: deadlineExceeded,
}
const byCode: Partial<Record<RefusalCode, number>> = { overloaded: resourceExhausted }

/** The headers that stand for trailers. */
export function grpcStatusOf(refusal: Refusal): string[] {
  const status = byCode[refusal.code] ?? byStatus[refusal.status] ?? unavailable
  return [
    'Content-Type',
    'application/grpc',
    'grpc-status',
    String(status),
    'grpc-message',
    encodeMessage(publicMessage(refusal)),
  ]
}

/** Percent-encoded but for printable ASCII other than `%` itself. */
function encodeMessage(message: string): string {
  return [...Buffer.from(message)]
    .map((byte) =>
      byte < 0x20 || byte > 0x7e || byte === 0x25
        ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
        : String.fromCharCode(byte),
    )
    .join('')
}
