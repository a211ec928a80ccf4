// Carries one permitted request to its upstream and the answer back: streamed, never buffered, aborted together.
import { attempt, Rejected } from './attempt.ts'
import type { Forwarding } from './forwarding.ts'
import { hopsLeft, withHopsLeft } from './max-forwards.ts'
import { Repetition } from './repetition.ts'
import { Upload } from './upload.ts'

/**
 * Resolves with the answer's status when its body has been passed on whole.
 * @throws {Refusal} `upstream_refused`, `upstream_reset`, `upstream_invalid`, `upstream_timeout`, `body_too_large`, and
 * what `lookup` refuses: all before the answer began. An answer that breaks off later breaks off for the client too.
 * @throws {ClientGone} the client left.
 */
export async function forward(forwarding: Forwarding): Promise<number> {
  const { incoming, headers, limits, siftTrailers, isAwaited, connections } = forwarding
  const hops = hopsLeft(incoming.head.method, headers)
  if (hops === 0) {
    // That it came so far is all there is to say.
    incoming.reply.send({ status: 204, reason: '', headers: [] }, '')
    return 204
  }
  const counted = (given: readonly string[]) => (hops === undefined ? given : withHopsLeft(given, hops - 1))
  let sent: Forwarding = { ...forwarding, headers: counted(headers) }
  const upload = new Upload(incoming, limits.bodyBytes, siftTrailers, forwarding.amend !== undefined)
  const repetition = new Repetition(isAwaited)
  for (;;) {
    try {
      const { onNewConnection } = repetition
      return await attempt(sent, upload, (events) =>
        connections.open({ forwarding: sent, framing: upload.framing, onNewConnection }, events),
      )
    } catch (error) {
      if (error instanceof Rejected) {
        const { amend: _once, ...rest } = sent
        sent = { ...rest, headers: counted(error.amended()) }
      } else await repetition.await(error, upload)
      forwarding.onRepeat()
    }
  }
}
