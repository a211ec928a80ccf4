// A real OTLP receiver: http/protobuf and gRPC, decoding protobuf, keeping what came.
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js'
import protobuf from 'protobufjs'

type Value = string | number | boolean | readonly Value[] | undefined
export type Attributes = Readonly<Record<string, Value>>

export interface CollectedSpan {
  readonly service: string
  readonly scope: string
  readonly resource: Attributes
  readonly traceId: string
  readonly spanId: string
  /** Empty of a root. */
  readonly parentId: string
  readonly name: string
  readonly kind: 'internal' | 'server' | 'client' | 'other'
  readonly attributes: Attributes
  readonly events: readonly { readonly name: string; readonly attributes: Attributes }[]
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  readonly isError: boolean
  readonly durationMs: number
}

export interface CollectedMetric {
  readonly service: string
  readonly name: string
  readonly unit: string
  readonly kind: 'gauge' | 'counter' | 'updown' | 'histogram'
  readonly points: readonly {
    readonly attributes: Attributes
    readonly value: number
    readonly bounds?: readonly number[]
    readonly counts?: readonly number[]
  }[]
}

export interface CollectedLog {
  readonly service: string
  readonly severity: string
  readonly body: string
  readonly attributes: Attributes
  readonly traceId: string
  readonly spanId: string
}

export interface Collector {
  readonly httpUrl: string
  readonly grpcUrl: string
  readonly spans: readonly CollectedSpan[]
  /** What came last of each metric of each service. */
  metric(service: string, name: string): CollectedMetric | undefined
  readonly metrics: readonly CollectedMetric[]
  readonly logs: readonly CollectedLog[]
  /** By which ways something came: `http /v1/traces`, `grpc TraceService` … */
  readonly ways: ReadonlySet<string>
}

const root = protobuf.loadSync(path.join(import.meta.dirname, 'otlp.proto'))

export async function startCollector(t: TestContext): Promise<Collector> {
  const spans: CollectedSpan[] = []
  const logs: CollectedLog[] = []
  const metrics = new Map<string, CollectedMetric>()
  const ways = new Set<string>()
  const take = {
    traces: (bytes: Uint8Array) => spans.push(...readSpans(decode('TraceRequest', bytes))),
    logs: (bytes: Uint8Array) => logs.push(...readLogs(decode('LogsRequest', bytes))),
    metrics(bytes: Uint8Array) {
      for (const metric of readMetrics(decode('MetricsRequest', bytes)))
        metrics.set(`${metric.service} ${metric.name}`, metric)
    },
  }
  const http = createServer((request, response) => {
    const signal = /^\/v1\/(traces|metrics|logs)$/.exec(request.url ?? '')?.[1] as keyof typeof take
    void buffer(request).then((bytes) => {
      ways.add(`http ${request.url}`)
      take[signal](bytes)
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    })
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const grpc = new Server()
  for (const [signal, service] of grpcServices) {
    grpc.addService(definition(signal, service), {
      Export(call: { request: Buffer }, done: (error: null, answer: Buffer) => void) {
        ways.add(`grpc ${service}`)
        take[signal](call.request)
        done(null, Buffer.alloc(0))
      },
    })
  }
  const grpcPort = await new Promise<number>((resolve, reject) => {
    grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    )
  })
  t.after(() => {
    grpc.forceShutdown()
    http.closeAllConnections()
    http.close()
  })
  return {
    httpUrl: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    grpcUrl: `http://127.0.0.1:${grpcPort}`,
    spans,
    logs,
    ways,
    metric: (service, name) => metrics.get(`${service} ${name}`),
    get metrics() {
      return [...metrics.values()]
    },
  }
}

const grpcServices = [
  ['traces', 'TraceService'],
  ['metrics', 'MetricsService'],
  ['logs', 'LogsService'],
] as const

const asIs = (bytes: Buffer) => bytes

function definition(signal: string, service: string): ServiceDefinition {
  const folder = signal === 'traces' ? 'trace' : signal
  return {
    Export: {
      path: `/opentelemetry.proto.collector.${folder}.v1.${service}/Export`,
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  }
}

// What protobuf gives, as plain data.

interface RawKeyValue {
  readonly key: string
  readonly value?: RawValue
}
interface RawValue {
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly intValue?: string
  readonly doubleValue?: number
  readonly arrayValue?: { readonly values?: readonly RawValue[] }
}
interface RawScope {
  readonly scope?: { readonly name: string }
  readonly spans?: readonly RawSpan[]
  readonly metrics?: readonly RawMetric[]
  readonly records?: readonly RawLog[]
}
interface RawRequest {
  readonly resources?: readonly {
    readonly resource?: { readonly attributes?: readonly RawKeyValue[] }
    readonly scopes?: readonly RawScope[]
  }[]
}
interface RawSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes?: readonly RawKeyValue[]
  readonly events?: readonly { readonly name: string; readonly attributes?: readonly RawKeyValue[] }[]
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[]
  readonly status?: { readonly code?: number }
}
interface RawPoint {
  readonly asDouble?: number
  readonly asInt?: string
  readonly attributes?: readonly RawKeyValue[]
  readonly count?: string
  readonly bucketCounts?: readonly string[]
  readonly explicitBounds?: readonly number[]
}
interface RawMetric {
  readonly name: string
  readonly unit?: string
  readonly gauge?: { readonly points?: readonly RawPoint[] }
  readonly sum?: { readonly points?: readonly RawPoint[]; readonly isMonotonic?: boolean }
  readonly histogram?: { readonly points?: readonly RawPoint[] }
}
interface RawLog {
  readonly severityText?: string
  readonly body?: RawValue
  readonly attributes?: readonly RawKeyValue[]
  readonly traceId?: string
  readonly spanId?: string
}

function decode(type: string, bytes: Uint8Array): RawRequest {
  const message = root.lookupType(`otlp.${type}`)
  return message.toObject(message.decode(bytes), { longs: String, bytes: String })
}

const hex = (base64 = '') => Buffer.from(base64, 'base64').toString('hex')

function valueOf(raw: RawValue = {}): Value {
  const { stringValue, boolValue, intValue, doubleValue, arrayValue } = raw
  if (arrayValue !== undefined) return (arrayValue.values ?? []).map((each) => valueOf(each))
  return stringValue ?? boolValue ?? (intValue === undefined ? doubleValue : Number(intValue))
}

function attributesOf(pairs: readonly RawKeyValue[] = []): Attributes {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, valueOf(value)]))
}

function* scopesOf({ resources = [] }: RawRequest) {
  for (const { resource, scopes = [] } of resources) {
    const attributes = attributesOf(resource?.attributes)
    for (const scope of scopes)
      yield { resource: attributes, service: String(attributes['service.name']), scope }
  }
}

const kinds = ['other', 'internal', 'server', 'client'] as const
const nanosecondsPerMs = 1_000_000n
const errorCode = 2

function* readSpans(request: RawRequest): Generator<CollectedSpan> {
  for (const { resource, service, scope } of scopesOf(request)) {
    for (const span of scope.spans ?? []) {
      const tookNs = BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)
      yield {
        service,
        scope: scope.scope?.name ?? '',
        resource,
        traceId: hex(span.traceId),
        spanId: hex(span.spanId),
        parentId: hex(span.parentSpanId),
        name: span.name,
        kind: kinds[span.kind] ?? 'other',
        attributes: attributesOf(span.attributes),
        events: (span.events ?? []).map((event) => ({
          name: event.name,
          attributes: attributesOf(event.attributes),
        })),
        links: (span.links ?? []).map((link) => ({ traceId: hex(link.traceId), spanId: hex(link.spanId) })),
        isError: span.status?.code === errorCode,
        durationMs: Number(tookNs / nanosecondsPerMs),
      }
    }
  }
}

function* readLogs(request: RawRequest): Generator<CollectedLog> {
  for (const { service, scope } of scopesOf(request)) {
    for (const record of scope.records ?? []) {
      yield {
        service,
        severity: record.severityText ?? '',
        body: String(valueOf(record.body)),
        attributes: attributesOf(record.attributes),
        traceId: hex(record.traceId),
        spanId: hex(record.spanId),
      }
    }
  }
}

function* readMetrics(request: RawRequest): Generator<CollectedMetric> {
  for (const { service, scope } of scopesOf(request)) {
    for (const { name, unit = '', gauge, sum, histogram } of scope.metrics ?? []) {
      const kind = gauge
        ? 'gauge'
        : histogram
          ? 'histogram'
          : sum?.isMonotonic === true
            ? 'counter'
            : 'updown'
      const points = (gauge ?? sum ?? histogram)?.points ?? []
      yield {
        service,
        name,
        unit,
        kind,
        points: points.map((point) => ({
          attributes: attributesOf(point.attributes),
          value: Number(point.count ?? point.asInt ?? point.asDouble ?? 0),
          ...(point.bucketCounts === undefined
            ? undefined
            : { counts: point.bucketCounts.map(Number), bounds: point.explicitBounds ?? [] }),
        })),
      }
    }
  }
}
