// The calls over gRPC, which the sidecar does not serve yet: its part is played here, but the verdict on what each call
// carries is the sidecar's own.
import assert from 'node:assert/strict'
import type { ClientHttp2Session } from 'node:http2'
import { Refusal } from '../../shared/errors.ts'
import { siftHeaders } from '../../shared/headers/firewall.ts'
import { withHandle } from '../../shared/headers/trace-context.ts'
import type { HeaderList } from '../../shared/head.ts'
import { findCause, readSources } from '../../shared/sources.ts'
import { Sessions, type KeptSession } from '../../sidecar/sessions.ts'
import { readSampling } from '../../sidecar/telemetry/sampling.ts'
import { createTraceStart } from '../../sidecar/telemetry/trace-start.ts'
import { send } from '../support/client.ts'
import { assertionOf, nothingElseIsKnown } from '../support/tokens.ts'
import type { AppProcess } from './app-process.ts'
import { users, type GrpcClientName, type ServerName } from './cells.ts'
import { callGrpc, type GrpcUpstream } from './grpc.ts'
import { count, createTally, isUserRefusal, type Tally } from './tally.ts'

export interface Played extends Tally {
  /** How many calls carried a handle in each place. */
  readonly carried: { tracestate: number; baggage: number; handle: number }
}

interface Place {
  readonly app: AppProcess
  readonly grpc: ClientHttp2Session
  readonly upstream: GrpcUpstream
}

const startTrace = createTraceStart(readSampling({}))

/** All users at once, each with one request, and the app's one call for it. */
export async function callByGrpc(place: Place, server: ServerName, client: GrpcClientName): Promise<Played> {
  const { upstream } = place
  const sessions = createSessions()
  const tally: Played = { ...createTally(), carried: { tracestate: 0, baggage: 0, handle: 0 } }
  const ask = askerOf(place, server)
  upstream.onCall = () => undefined
  await (client === 'grpc-js-cold' ? upstream.disconnect() : ask('nobody', []))
  upstream.onCall = (caused, headers) => judge(tally, sessions, caused, headers)
  await Promise.all(users.map((user) => ask(user, inboundHeaders(keep(sessions, user)))))
  return tally
}

function createSessions(): Sessions {
  return new Sessions({ service: 'App', now: Date.now, maxBytes: () => 0, lingerMs: () => 30_000 })
}

function keep(sessions: Sessions, user: string): KeptSession {
  const token = `token of ${user}`
  return sessions.keep(assertionOf('user', user, { token, expiresAt: Infinity }), undefined)
}

/** What the sidecar adds to a request that the app gets. */
function inboundHeaders({ handle }: KeptSession): string[] {
  return withHandle(['x-onbehalf-handle', handle], handle, startTrace())
}

function askerOf({ app, grpc }: Place, server: ServerName) {
  return async (user: string, headers: readonly string[]): Promise<void> => {
    const target = `/grpc-js/${user}`
    if (server === 'grpc-js') {
      await callGrpc(grpc, '/shop.App/Answer', target, headers)
      return
    }
    const answer = await send({ port: app.ports[server], target, headers })
    assert.equal(answer.status, 200, answer.body)
  }
}

function judge(tally: Played, sessions: Sessions, caused: string, headers: HeaderList): void {
  const { claimed } = siftHeaders(headers, new Set())
  if (claimed.tracestate.length > 0) tally.carried.tracestate++
  if (claimed.baggage.length > 0) tally.carried.baggage++
  if (claimed.handle !== undefined) tally.carried.handle++
  try {
    const cause = findCause(readSources(claimed, sessions, nothingElseIsKnown))
    count(tally, caused, cause.kind === 'user' ? cause.assertion.principal.subject : undefined)
  } catch (error) {
    assert.ok(error instanceof Refusal && isUserRefusal(error.code), String(error))
    tally.refused++
  }
}
