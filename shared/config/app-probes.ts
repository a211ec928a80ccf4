// The app's own probes and hooks, as ONBEHALF_APP_PROBES holds them in JSON for a sidecar that asks in the kubelet's place.
import * as v from 'valibot'
import { findFaults } from './check.ts'
import { expected, mapOf, section } from './fields.ts'
import { formatPath } from './problem.ts'

const integer = (what: string, from: number, to: number) =>
  v.pipe(
    v.number(expected(what)),
    v.integer(`must be ${what}`),
    v.minValue(from, `must be ${what}`),
    v.maxValue(to, `must be ${what}`),
  )
const port = integer('a port from 1 to 65535', 1, 65_535)
const string = v.string(expected('a text'))
/** A name and a value. */
const part = v.string('must be a text')
const http = section('An HTTP request.', {
  port,
  path: v.optional(string, '/'),
  scheme: v.optional(v.picklist(['HTTP', 'HTTPS'], 'must be HTTP or HTTPS'), 'HTTP'),
  host: v.optional(string),
  headers: v.optional(v.array(v.tuple([part, part], 'must be a name and a value'), expected('a list')), []),
})
const grpc = section('A health check of gRPC.', { port, service: v.optional(string, '') })
const tcp = section('A connection.', { port })
const probe = section('What is asked.', {
  http: v.optional(http),
  grpc: v.optional(grpc),
  tcp: v.optional(tcp),
  timeoutSeconds: v.optional(integer('a number of seconds from 1 to 3600', 1, 3_600), 1),
})
const probes = mapOf('What is asked, by the path at which it is asked for.', probe)

const pathForm = /^\/app-(?:probes|lifecycle)\/[a-z0-9-]+\/[a-z0-9-]+$/

export type HttpProbe = v.InferOutput<typeof http>
export type GrpcProbe = v.InferOutput<typeof grpc>
export type TcpProbe = v.InferOutput<typeof tcp>
/** One of the three. */
export type AppProbe = v.InferOutput<typeof probe>

/** @returns what is asked, by path; or all that is wrong, never with what stands there: a header can hold a secret. */
export function parseAppProbes(
  text: string,
): { readonly value: ReadonlyMap<string, AppProbe> } | { readonly faults: readonly string[] } {
  const json = parseJson(text)
  if (json === undefined) return { faults: ['is not JSON'] }
  const faults = findFaults(probes, json).map(({ path, message }) => `${formatPath(path)} ${message}`.trim())
  if (faults.length > 0) return { faults }
  const value = v.parse(probes, json)
  const misplaced = Object.entries(value).flatMap(([path, asked]) => faultsOf(path, asked))
  return misplaced.length > 0 ? { faults: misplaced } : { value: new Map(Object.entries(value)) }
}

function faultsOf(path: string, { http: byHttp, grpc: byGrpc, tcp: byTcp }: AppProbe): string[] {
  const count = [byHttp, byGrpc, byTcp].filter((each) => each !== undefined).length
  return [
    ...(pathForm.test(path)
      ? []
      : [`${path} must be a path such as /app-probes/web/readiness or /app-lifecycle/web/pre-stop`]),
    ...(count === 1 ? [] : [`${path} must have one of http, grpc and tcp`]),
  ]
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
