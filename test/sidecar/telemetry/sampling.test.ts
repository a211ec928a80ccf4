// Which traces are sampled, by the variables that OpenTelemetry defines.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SamplingDecision, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace'
import { ROOT_CONTEXT } from '@opentelemetry/api'
import { RandomBits } from '../../../sidecar/random-bits.ts'
import { readSampling } from '../../../sidecar/telemetry/sampling.ts'
import { createTraceStart } from '../../../sidecar/telemetry/trace-start.ts'

const sampling = (sampler: string, ratio?: string) =>
  readSampling({
    OTEL_TRACES_SAMPLER: sampler,
    ...(ratio === undefined ? {} : { OTEL_TRACES_SAMPLER_ARG: ratio }),
  })

const draw = new RandomBits(16, 'hex')
const traceIds = Array.from({ length: 4_000 }, () => draw.next())

for (const [sampler, isParentBased, sampled] of [
  ['', true, traceIds.length],
  ['always_on', false, traceIds.length],
  ['parentbased_always_on', true, traceIds.length],
  ['always_off', false, 0],
  [' parentbased_always_off ', true, 0],
] as const) {
  test(`${sampler.trim() || 'no sampler'}: ${sampled === 0 ? 'none' : 'all'} that begin here`, () => {
    const { isSampled, fault, ...rest } = sampling(sampler)
    assert.deepEqual([rest.isParentBased, fault], [isParentBased, undefined])
    assert.equal(traceIds.filter(isSampled).length, sampled)
  })
}

for (const ratio of ['0', '0.1', '0.5', '0.999', '1']) {
  test(`a ratio of ${ratio} takes the same traces as OpenTelemetry's SDK`, () => {
    const { isSampled } = sampling('traceidratio', ratio)
    const theirs = new TraceIdRatioBasedSampler(Number(ratio))
    for (const id of traceIds) {
      assert.equal(
        isSampled(id),
        theirs.shouldSample(ROOT_CONTEXT, id).decision !== SamplingDecision.NOT_RECORD,
        id,
      )
    }
  })
}

test('who starts a trace goes by its id', () => {
  const own = sampling('parentbased_traceidratio', '0.5')
  const start = createTraceStart(own)
  const starts = Array.from({ length: 1_000 }, start)
  for (const { traceId, isSampled } of starts) assert.equal(isSampled, own.isSampled(traceId))
  assert.equal(new Set(starts.map(({ isSampled }) => isSampled)).size, 2)
})

for (const [sampler, ratio, variable] of [
  ['jaeger_remote', undefined, 'OTEL_TRACES_SAMPLER'],
  ['parentbased_', undefined, 'OTEL_TRACES_SAMPLER'],
  ['traceidratio', undefined, 'OTEL_TRACES_SAMPLER_ARG'],
  ['traceidratio', '1.1', 'OTEL_TRACES_SAMPLER_ARG'],
  ['parentbased_traceidratio', 'many', 'OTEL_TRACES_SAMPLER_ARG'],
] as const) {
  test(`what cannot be used is said, and all traces are sampled: ${sampler} ${ratio ?? ''}`, () => {
    const { isSampled, fault } = sampling(sampler, ratio)
    assert.equal(fault?.split(' ')[0], variable)
    assert.ok(traceIds.every(isSampled))
  })
}
