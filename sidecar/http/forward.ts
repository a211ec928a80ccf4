// Carries one permitted request to its upstream and the answer back: streamed, never buffered, aborted together.
import { request as requestHttp, type ClientRequest, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { headerValues } from '../../shared/head.ts'
import { attempt } from './attempt.ts'
import type { Forwarding } from './forwarding.ts'
import { answerHere, hopsLeft, withHopsLeft } from './max-forwards.ts'
import { Repetition } from './repetition.ts'
import { Upload } from './upload.ts'

/** How a request was answered; the body has been passed on whole. */
export interface Forwarded {
  readonly status: number
  /** How often it was sent again. */
  readonly repeated: number
}

/** Room for what apps really send: 64 KiB of headers and some. */
const maxResponseHeaderBytes = 128 * 1024
/** Methods for which Node sends no body unless told so; for all others it would send an empty chunked one. */
const bodiless: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'])

/**
 * @throws {Refusal} `upstream_refused`, `upstream_reset`, `upstream_invalid`, `upstream_timeout`, `body_too_large`, and
 * what `lookup` refuses: all before the answer began. An answer that breaks off later breaks off for the client too.
 * @throws {ClientGone} the client left.
 */
export async function forward(forwarding: Forwarding): Promise<Forwarded> {
  const { request, response, headers, limits, siftTrailers, isAwaited } = forwarding
  const hops = hopsLeft(request.method as string, headers)
  if (hops === 0) {
    answerHere(response)
    return { status: response.statusCode, repeated: 0 }
  }
  const sent = hops === undefined ? forwarding : { ...forwarding, headers: withHopsLeft(headers, hops - 1) }
  const upload = new Upload(response, limits.bodyBytes, siftTrailers)
  const repetition = new Repetition(isAwaited)
  for (;;) {
    try {
      return { status: await attempt(sent, upload, () => open(sent, upload)), repeated: repetition.count }
    } catch (error) {
      await repetition.permit(error, upload)
    }
  }
}

function open(forwarding: Forwarding, upload: Upload): ClientRequest {
  const { request, upstream, agent, path, headers, lookup } = forwarding
  const method = request.method as string
  const options = {
    host: upstream.host,
    port: upstream.port,
    method,
    path,
    agent,
    headers: [...fitting(headers, upload), ...framing(method, upload), ...trailersWanted(request)],
    setHost: false,
    insecureHTTPParser: false,
    maxHeaderSize: maxResponseHeaderBytes,
    ...(lookup === undefined ? undefined : { lookup }),
  }
  const opened = upstream.tls ? requestHttps(options) : requestHttp(options)
  // Node drops what is beyond this in silence; their size is bounded.
  opened.maxHeadersCount = 0
  return opened
}

function framing(method: string, upload: Upload): string[] {
  if (upload.framing === 'chunked') return ['Transfer-Encoding', 'chunked']
  return upload.framing === 'none' && !bodiless.has(method) ? ['Content-Length', '0'] : []
}

/** `Trailer` announces what only a chunked body can have. */
function fitting(headers: readonly string[], upload: Upload): readonly string[] {
  if (upload.framing === 'chunked' || headerValues(headers, 'trailer').length === 0) return headers
  return headers.filter((_, i) => (headers[i & ~1] as string).toLowerCase() !== 'trailer')
}

/** RFC 9110 section 10.1.4: trailers pass here; other codings concern the client's own connection. */
function trailersWanted(request: IncomingMessage): string[] {
  const wanted = headerValues(request.rawHeaders, 'te').some((value) =>
    /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(value),
  )
  return wanted ? ['TE', 'trailers', 'Connection', 'TE'] : []
}
