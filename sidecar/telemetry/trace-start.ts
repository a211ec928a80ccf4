// Starts a trace for a request that is part of none: without one, an agent reads no trace context.
import type { TraceParent } from '../../shared/headers/trace-context.ts'
import { RandomBits } from '../random-bits.ts'

/**
 * Who starts a trace decides whether it is sampled, and most agents go by that. `OTEL_TRACES_SAMPLER` (`always_on`, the
 * default, `always_off`, `traceidratio`, each also as `parentbased_…`) and `OTEL_TRACES_SAMPLER_ARG` say it here, as they
 * do in the app.
 */
export function createTraceStart(env: NodeJS.ProcessEnv): () => TraceParent {
  const ratio = ratioOf(env)
  const traceIds = new RandomBits(16, 'hex')
  const spanIds = new RandomBits(8, 'hex')
  return () => ({
    traceId: notZero(traceIds),
    spanId: notZero(spanIds),
    isSampled: Math.random() < ratio,
    isContinued: false,
  })
}

/** W3C Trace Context 3.2.2: all zeros is no id. */
function notZero(bits: RandomBits): string {
  for (;;) {
    const id = bits.next()
    if (/[^0]/.test(id)) return id
  }
}

function ratioOf(env: NodeJS.ProcessEnv): number {
  const sampler = (env['OTEL_TRACES_SAMPLER'] ?? '').trim().replace(/^parentbased_/, '')
  if (sampler === 'always_off') return 0
  if (sampler !== 'traceidratio') return 1
  const given = Number.parseFloat(env['OTEL_TRACES_SAMPLER_ARG'] ?? '')
  return given >= 0 && given <= 1 ? given : 1
}
