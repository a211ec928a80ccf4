// What node:http2 does not tell of a stream, or does in another way than a proxy needs it.
import type { Http2Stream } from 'node:http2'
import { addAbortSignal } from 'node:stream'
import { ifSilent } from '../http/silence.ts'

/** Whether the other side has ended its half of a stream. */
export interface EndWatch {
  readonly hasEnded: boolean
}

/**
 * Node ends a stream's readable side alike when the other side ends it (END_STREAM) and when it resets it; only the order
 * in which things become known differs: after a reset the stream is closed already when the end is pushed.
 */
export function watchEnd(stream: Http2Stream): EndWatch {
  // It may have ended before anybody was told of the stream.
  const watch = { hasEnded: stream.endAfterHeaders || stream.state.remoteClose === 1 }
  const push = stream.push.bind(stream)
  stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk === null && !stream.closed) watch.hasEnded = true
    return push(chunk, encoding)
  }
  return watch
}

/**
 * Resets a stream with CANCEL. Node's `close(code)` first writes END_STREAM, and what was broken off would look whole.
 */
export function cancel(stream: Http2Stream): void {
  if (stream.destroyed) return
  const controller = new AbortController()
  addAbortSignal(controller.signal, stream)
  controller.abort()
}

/**
 * Calls each time that nothing has passed on a stream for so long. Where something has just come on its connection, which may
 * have been waiting to be read, it is given as long once more.
 * @param idleMs 0: never.
 */
export function onSilence(stream: Http2Stream, idleMs: number, then: () => void): void {
  if (idleMs === 0) return
  let isLast = false
  stream.setTimeout(idleMs, () => {
    const socket = stream.session?.socket
    if (socket === undefined || isLast) then()
    else
      ifSilent(socket, then, () => {
        isLast = true
        stream.setTimeout(idleMs)
      })
  })
}

/** Resets a stream with INTERNAL_ERROR: what was begun on it does not come to its end. */
export function breakOff(stream: Http2Stream): void {
  if (!stream.destroyed) stream.destroy(new Error('broken off'))
}
