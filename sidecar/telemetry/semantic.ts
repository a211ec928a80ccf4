// What OpenTelemetry's semantic conventions call the facts of a decision (HTTP, stable), for spans and metrics alike.
import type { Decision } from '../../shared/decision.ts'
import type { Ending } from './ending.ts'
import type { Labels } from './metrics.ts'

const knownMethods: ReadonlySet<string> = new Set(
  'CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT QUERY TRACE'.split(' '),
)

/** What a client may choose must make no series and no name of a span of its own. */
export function knownMethod(method: string): string {
  return knownMethods.has(method) ? method : '_OTHER'
}

/** Of HTTP, `error.type`: our code, the class of a status that is an error, or that the client has left. */
export function errorType(
  { direction, code, outcome, mode }: Pick<Decision, 'direction' | 'code' | 'outcome' | 'mode'>,
  { status, code: failure }: Ending,
): string | undefined {
  if (failure !== undefined) return failure
  if (status === undefined) return 'client_gone'
  const isError = direction === 'inbound' ? status >= 500 : status >= 400
  if (!isError) return undefined
  const wasRefused = outcome === 'refused' && mode === 'enforce'
  return wasRefused && code !== undefined ? code : String(status)
}

/** Attributes of `http.server.request.duration` and `http.client.request.duration`; ours is `onbehalf.route`. */
export function durationLabels(decision: Decision, ending: Ending): Labels {
  const { direction, method, protocol, route = '' } = decision
  const common = {
    'http.request.method': knownMethod(method),
    'url.scheme': protocol?.scheme ?? 'http',
    'http.response.status_code': ending.status === undefined ? '' : String(ending.status),
    'error.type': errorType(decision, ending) ?? '',
  }
  return direction === 'inbound'
    ? { ...common, 'network.protocol.version': protocol?.version ?? '', 'onbehalf.route': route }
    : { ...common, ...serverLabels(decision), 'onbehalf.route': route }
}

/** Hosts that no route names are the app's to choose, so they are one. */
function serverLabels({ route, host, port, protocol }: Decision): Labels {
  const standardPort = protocol?.scheme === 'https' ? 443 : 80
  return route === undefined
    ? { 'server.address': '_OTHER', 'server.port': '' }
    : { 'server.address': host, 'server.port': String(port ?? standardPort) }
}

/** The upper bounds of the buckets that the conventions ask for, in seconds. */
export const durationBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
