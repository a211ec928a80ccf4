// Of which requests a span is begun, and what whoever comes next is told of those of which none is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SamplingDecision, TracerProvider } from '@opentelemetry/sdk-trace'
import type { TraceParent } from '../../../shared/headers/trace-context.ts'
import { createSpans } from '../../../sidecar/telemetry/otel/spans.ts'
import { readSampling } from '../../../sidecar/telemetry/sampling.ts'
import { readTelemetrySettings } from '../../../sidecar/telemetry/telemetry-settings.ts'
import { createTraceStart } from '../../../sidecar/telemetry/trace-start.ts'
import { createPassiveTracing } from '../../../sidecar/telemetry/tracing.ts'

function spansWith(sampler: string, ratio = '') {
  const sampling = readSampling({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: ratio })
  const begun: string[] = []
  const provider = new TracerProvider({
    sampler: {
      shouldSample: (_context, traceId) => {
        begun.push(traceId)
        return { decision: SamplingDecision.RECORD_AND_SAMPLED }
      },
    },
  })
  const tracing = createSpans({
    tracer: provider.getTracer('test'),
    settings: readTelemetrySettings({}),
    sampling,
    naming: () => assert.fail('nothing ends here'),
    passive: createPassiveTracing(createTraceStart(sampling)),
  })
  const begin = (parent?: TraceParent) =>
    tracing.begin({ direction: 'inbound', method: 'GET', headers: [], startedAtMs: 0, parent })
  return { begin, begun, sampling }
}

const parentOf = (isSampled: boolean, traceId = '0af7651916cd43dd8448eb211c80319c'): TraceParent => ({
  traceId,
  spanId: 'b7ad6b7169203331',
  isSampled,
  isContinued: true,
})

test('a tenth of the traces that begin here have a span, and the others none', () => {
  const { begin, begun } = spansWith('parentbased_traceidratio', '0.1')
  const traces = Array.from({ length: 4_000 }, () => begin())
  const sampled = traces.filter(({ context }) => context?.isSampled)
  assert.equal(sampled.length, begun.length)
  assert.ok(begun.length > 200 && begun.length < 600, `${begun.length}`)
  assert.ok(traces.every(({ context, isOwnSpan }) => context?.isSampled === isOwnSpan))
  assert.ok(traces.every(({ context }) => context?.isContinued === false))
})

test('whoever sends a request decides, where the sampler goes by it', () => {
  const { begin, begun } = spansWith('parentbased_always_off')
  assert.deepEqual(begin(parentOf(false)).context, parentOf(false))
  assert.deepEqual(begun, [])
  assert.equal(begin(parentOf(true)).isOwnSpan, true)
  assert.deepEqual(begun, [parentOf(true).traceId])
})

test('the id of the trace decides where it does not', () => {
  const { begin, begun, sampling } = spansWith('traceidratio', '0.5')
  for (const traceId of ['0'.repeat(31) + '1', '8'.padEnd(32, '0'), 'f'.padEnd(32, '0')]) {
    const parent = parentOf(!sampling.isSampled(traceId), traceId)
    const { context, isOwnSpan } = begin(parent)
    assert.equal(isOwnSpan, sampling.isSampled(traceId))
    assert.equal(context?.isSampled, isOwnSpan)
    assert.equal(context.traceId, traceId)
    if (!isOwnSpan) assert.equal(context.spanId, parent.spanId)
  }
  assert.equal(begun.length, 1)
})

test('with the sampler that takes none, no request has a span, and whoever comes next is told so', () => {
  const { begin, begun } = spansWith('always_off')
  assert.equal(begin(parentOf(true)).context?.isSampled, false)
  assert.equal(begin().context?.isSampled, false)
  assert.deepEqual(begun, [])
})
