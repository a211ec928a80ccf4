// Requests of HTTP/1.1, one behind the other and in pieces, as a client's connection reads them, beside llhttp.
import { requestsByUs } from './connections.ts'
import { compareStreams, taken } from './differential.ts'
import { fuzz } from './fuzz.ts'
import { streamOfLlhttp } from './llhttp.ts'
import { anyRequests } from './messages.ts'
import { cutUp } from './mutation.ts'

fuzz('requests', { cases: 3_000, atLeast: { outcome: taken, oneIn: 8 } }, async (chance) => {
  const sent = anyRequests(chance)
  const ours = await requestsByUs(cutUp(sent.bytes, chance), chance)
  return compareStreams(ours, streamOfLlhttp(sent.bytes, 'request', false), sent)
})
