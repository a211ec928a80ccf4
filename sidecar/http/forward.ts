// Carries one permitted request to its upstream and the answer back: streamed, never buffered, aborted together.
import { request as requestHttp, type ClientRequest, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { filterHeaders, headerValues } from '../../shared/head.ts'
import { attempt, Rejected } from './attempt.ts'
import type { Forwarding } from './forwarding.ts'
import { lengthLast } from './length-last.ts'
import { answerHere, hopsLeft, withHopsLeft } from './max-forwards.ts'
import { Repetition } from './repetition.ts'
import { Upload } from './upload.ts'

/** Room for what apps really send: 64 KiB of headers and some. */
const maxResponseHeaderBytes = 128 * 1024
/** Methods for which Node sends no body unless told so; for all others it would send an empty chunked one. */
const bodiless: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])

/**
 * Resolves with the answer's status when its body has been passed on whole.
 * @throws {Refusal} `upstream_refused`, `upstream_reset`, `upstream_invalid`, `upstream_timeout`, `body_too_large`, and
 * what `lookup` refuses: all before the answer began. An answer that breaks off later breaks off for the client too.
 * @throws {ClientGone} the client left.
 */
export async function forward(forwarding: Forwarding): Promise<number> {
  const { request, response, headers, limits, siftTrailers, isAwaited } = forwarding
  const hops = hopsLeft(request.method as string, headers)
  if (hops === 0) {
    answerHere(response)
    return response.statusCode
  }
  const counted = (given: readonly string[]) => (hops === undefined ? given : withHopsLeft(given, hops - 1))
  let sent: Forwarding = { ...forwarding, headers: counted(headers) }
  const upload = new Upload(response, limits.bodyBytes, siftTrailers, forwarding.amend !== undefined)
  const repetition = new Repetition(isAwaited)
  for (;;) {
    try {
      return await attempt(sent, upload, () => open(sent, upload, repetition))
    } catch (error) {
      if (error instanceof Rejected) {
        const { amend: _once, ...rest } = sent
        sent = { ...rest, headers: counted(await error.amended()) }
      } else await repetition.await(error, upload)
      forwarding.onRepeat()
    }
  }
}

function open(forwarding: Forwarding, upload: Upload, repetition: Repetition): ClientRequest {
  const { request, upstream, agent, path, headers, lookup } = forwarding
  const method = request.method as string
  const options = {
    host: upstream.host,
    port: upstream.port,
    method,
    path,
    agent: repetition.onNewConnection ? false : agent,
    // Said here too for connections without an agent: it is not left to NODE_TLS_REJECT_UNAUTHORIZED.
    rejectUnauthorized: true,
    headers: lengthLast([
      ...fitting(headers, upload),
      ...framing(method, upload),
      ...trailersWanted(request),
    ]),
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
function fitting(headers: readonly string[], upload: Upload): string[] {
  return filterHeaders(headers, (name) => name !== 'trailer' || upload.framing === 'chunked')
}

/** RFC 9110 section 10.1.4: trailers pass here; other codings concern the client's own connection. */
function trailersWanted(request: IncomingMessage): string[] {
  const wanted = headerValues(request.rawHeaders, 'te').some((value) =>
    /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(value),
  )
  return wanted ? ['TE', 'trailers', 'Connection', 'TE'] : []
}
