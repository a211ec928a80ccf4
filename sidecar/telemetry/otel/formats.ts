// Formats of trace context beside W3C's, as OTEL_PROPAGATORS names them: read where there is no traceparent, and rewritten.
import { headerValues, type HeaderList } from '../../../shared/head.ts'
import { taken, takeOut, type Taken } from '../../../shared/headers/take-out.ts'
import type { TraceParent } from '../../../shared/headers/trace-context.ts'
import { propagation, ROOT_CONTEXT, trace, TraceFlags } from './api.ts'

export interface Formats {
  read(headers: HeaderList): TraceParent | undefined
  /** The headers with this context in place of what came. */
  write(headers: HeaderList, context: TraceParent): string[]
}

/** W3C's own are ours to read and to write, for a handle is in them. */
const w3c: ReadonlySet<string> = new Set(['traceparent', 'tracestate', 'baggage'])

/** @returns undefined where no other is asked for. */
export function createFormats(given: readonly string[]): Formats | undefined {
  if (given.length === 0) return undefined
  const names = propagation.fields().map((name) => name.toLowerCase())
  const fields = taken(...names.filter((name) => !w3c.has(name)))
  return { read: (headers) => read(headers), write: (headers, context) => write(headers, context, fields) }
}

const getter = {
  keys: (headers: HeaderList) => headers.filter((_, i) => i % 2 === 0),
  get: (headers: HeaderList, name: string) => headerValues(headers, name.toLowerCase())[0],
}

function read(headers: HeaderList): TraceParent | undefined {
  const found = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, headers, getter))
  if (found === undefined) return undefined
  const { traceId, spanId, traceFlags } = found
  return { traceId, spanId, isSampled: (traceFlags & TraceFlags.SAMPLED) !== 0, isContinued: false }
}

function write(headers: HeaderList, given: TraceParent, fields: Taken<string>): string[] {
  const { others } = takeOut(headers, fields)
  const traceFlags = given.isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE
  const context = trace.setSpanContext(ROOT_CONTEXT, {
    traceId: given.traceId,
    spanId: given.spanId,
    traceFlags,
  })
  propagation.inject(context, others, {
    set(carrier, name, value) {
      if (!w3c.has(name.toLowerCase())) carrier.push(name, value)
    },
  })
  return others
}
