// Which traces are sampled: by whoever sent the request, or, of those that nobody decided about, by their id.

export interface Sampling {
  /** Whether whoever sent a request decides if it is sampled. */
  readonly isParentBased: boolean
  /** @param traceId 32 hexadecimal digits. */
  readonly isSampled: (traceId: string) => boolean
  /** What of the variables does not count, for the log. */
  readonly fault?: string
}

/** `always_on`, the default, `always_off` and `traceidratio`, each also as `parentbased_…`. */
const samplers: ReadonlySet<string> = new Set(['always_on', 'always_off', 'traceidratio'])

/** Reads `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`, as OpenTelemetry defines them. */
export function readSampling(env: NodeJS.ProcessEnv): Sampling {
  const given = (env['OTEL_TRACES_SAMPLER'] ?? '').trim()
  const sampler = given.replace(/^parentbased_/, '')
  if (given === '') return { isParentBased: true, isSampled: always }
  if (!samplers.has(sampler)) {
    const fault = 'OTEL_TRACES_SAMPLER names no sampler that is known here, and does not count'
    return { isParentBased: true, isSampled: always, fault }
  }
  const isParentBased = sampler !== given
  if (sampler === 'always_on') return { isParentBased, isSampled: always }
  if (sampler === 'always_off') return { isParentBased, isSampled: () => false }
  const ratio = Number.parseFloat(env['OTEL_TRACES_SAMPLER_ARG'] ?? '')
  if (ratio >= 0 && ratio <= 1) return { isParentBased, isSampled: byRatio(ratio) }
  const fault = 'OTEL_TRACES_SAMPLER_ARG is no ratio from 0 to 1: all traces that begin here are sampled'
  return { isParentBased, isSampled: always, fault }
}

const always = () => true

const wordDigits = 8
const words = 0x1_00_00_00_00

function byRatio(ratio: number): (traceId: string) => boolean {
  const bound = Math.floor(ratio * words)
  return (traceId) => foldedWord(traceId) < bound
}

/** The words of an id, one over the other: as OpenTelemetry's SDK has it, so that all who are asked about a trace agree. */
function foldedWord(traceId: string): number {
  let folded = 0
  for (let at = 0; at < traceId.length; at += wordDigits) {
    folded ^= Number.parseInt(traceId.slice(at, at + wordDigits), 16)
  }
  return folded >>> 0
}
