// Starts a trace for a request that is part of none: without one, an agent reads no trace context.
import type { TraceParent } from '../../shared/headers/trace-context.ts'
import { RandomBits } from '../random-bits.ts'
import type { Sampling } from './sampling.ts'

/** Who starts a trace decides whether it is sampled, and most agents go by that. */
export function createTraceStart({ isSampled }: Sampling): () => TraceParent {
  const traceIds = new RandomBits(16, 'hex')
  const spanIds = new RandomBits(8, 'hex')
  return () => {
    const traceId = notZero(traceIds)
    return { traceId, spanId: notZero(spanIds), isSampled: isSampled(traceId), isContinued: false }
  }
}

/** W3C Trace Context 3.2.2: all zeros is no id. */
function notZero(bits: RandomBits): string {
  for (;;) {
    const id = bits.next()
    if (/[^0]/.test(id)) return id
  }
}
