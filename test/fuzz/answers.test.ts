// Answers of HTTP/1.1 to any method, with those ahead of them, in pieces and up to the end, beside llhttp.
import { answersByUs } from './connections.ts'
import { compareStreams, taken } from './differential.ts'
import { fuzz } from './fuzz.ts'
import { streamOfLlhttp, type Side } from './llhttp.ts'
import { anyAnswers } from './messages.ts'
import { cutUp } from './mutation.ts'

fuzz('answers', { cases: 3_000, atLeast: { outcome: taken, oneIn: 8 } }, (chance) => {
  const sent = anyAnswers(chance)
  const { asked } = sent.side as Exclude<Side, 'request'>
  const ours = answersByUs(cutUp(sent.bytes, chance), asked, chance)
  return compareStreams(ours, streamOfLlhttp(sent.bytes, sent.side, true), sent)
})
