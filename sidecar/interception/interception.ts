// Serves what was redirected to the outbound listener: HTTP as ever; all else passes untouched to where it was going.
import type { Socket } from 'node:net'
import { makeDecision, type Decision } from '../../shared/decision.ts'
import { Refusal } from '../../shared/errors.ts'
import type { Protocol } from '../../shared/first-bytes.ts'
import { judgeAddress, refuseUnlisted } from '../egress.ts'
import type { Admission } from '../exchange.ts'
import { peerAddress } from '../http/peer-address.ts'
import { asUpstreamRefusal, dial, passOn, relay } from '../relay.ts'
import { newRequestId } from '../request-id.ts'
import type { Runtime } from '../runtime.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { readOpening, type Opening, type Said } from './opening.ts'
import type { OriginalDestination } from './original-destination.ts'
import { watchOwnConnections } from './own-connections.ts'

export interface Interception {
  /** Takes a connection over; `serveHttp` reads requests on it. */
  take(client: Socket, destination: OriginalDestination, serveHttp: () => void): void
  /** Ends those that are not HTTP, or not yet known to be. */
  close(): void
}

/** A client that is silent for so long may be waiting for the server to speak. */
const silenceMs = 200
/** More than any request line before whose end it is not clear what it is (RFC 9112 section 3). */
const maxOpeningBytes = 8 * 1024

/** What passes untouched, or would, as it is counted. */
type Passing = Exclude<Protocol, 'http'> | 'server_first' | 'own'

const described: Readonly<Record<Passing, string>> = {
  tls: 'TLS of the app itself passes untouched',
  other: 'what is not HTTP passes untouched',
  server_first: 'a server that speaks first: bytes pass untouched',
  own: 'a connection of the sidecar itself',
}

interface Connection {
  readonly client: Socket
  readonly destination: OriginalDestination
  readonly peer: string
  /** As of when it was accepted. */
  readonly startedMs: number
}

/** The way to a silent client's server, opened to hear whether it is the server that speaks first. */
interface Early {
  readonly upstream: Promise<Socket>
  /** Resolves when the server has spoken, or ended; where it cannot be reached, never. */
  readonly spoken: Promise<'server'>
  /** Why it cannot be reached, once that is known. */
  failure(): Refusal | undefined
  drop(): void
}

/** A connection whose bytes pass counts as a request under way. */
export function createInterception(runtime: Runtime, admission: Admission, metrics: Metrics): Interception {
  const clients = new Set<Socket>()
  const own = watchOwnConnections()
  const passed = metrics.counter({
    name: 'onbehalf.passed_connections',
    unit: '{connection}',
    help: 'Redirected connections that are not HTTP, by what they are, outcome and refusal code.',
  })

  async function serve(connection: Connection, serveHttp: () => void): Promise<void> {
    const { client } = connection
    const { timeouts } = runtime.current().snapshot.mesh
    const opening = readOpening(client, maxOpeningBytes)
    const atOnce = await within(silenceMs, opening.said)
    // By now its other end, if that is here, has heard that it is connected.
    if (own.has(client, connection.destination)) {
      refuse(connection, 'own', isOwn())
      return
    }
    const early = atOnce === undefined && !opening.hasBegun() ? callEarly(connection) : undefined
    const first =
      atOnce ?? (await within(timeouts.headersMs || timeouts.idleMs, firstToSpeak(opening, early)))
    if (first === 'server') {
      await pass(connection, 'server_first', opening, early)
      return
    }
    if (first === undefined || first.protocol === 'http' || first.protocol === 'gone') early?.drop()
    if (first === undefined) giveUp(connection, opening, early)
    else if (first.protocol === 'http') handOver(client, serveHttp)
    else if (first.protocol !== 'gone') await pass(connection, first.protocol, opening, early)
  }

  /** To nowhere that bytes may not go. */
  function callEarly(connection: Connection): Early | undefined {
    if (refusalOf(runtime, connection.destination) !== undefined) return undefined
    const leaving = new AbortController()
    const upstream = connectTo(runtime, connection, leaving.signal)
    const spoken = Promise.withResolvers<'server'>()
    let failure: Refusal | undefined
    upstream.then(
      (socket) =>
        socket.once('readable', () => spoken.resolve('server')).once('close', () => spoken.resolve('server')),
      (error: unknown) => {
        failure = asUpstreamRefusal(error)
      },
    )
    return { upstream, spoken: spoken.promise, failure: () => failure, drop: () => leaving.abort() }
  }

  async function pass(
    connection: Connection,
    passing: Passing,
    opening: Opening,
    early: Early | undefined,
  ): Promise<void> {
    const { client } = connection
    if (client.destroyed) {
      early?.drop()
      return
    }
    const peer = peerAddress(client)
    admission.enter(peer)
    client.once('close', () => admission.leave(peer))
    const { limits } = runtime.current().snapshot.mesh
    try {
      admission.admit([], limits, peer)
      admission.shed(limits, performance.now(), client)
      permit(runtime, connection.destination)
      const upstream = await reach(runtime, connection, early)
      carry(connection, record(connection, passing, undefined), upstream, opening)
    } catch (error) {
      early?.drop()
      refuse(connection, passing, asUpstreamRefusal(error))
    }
  }

  function refuse(connection: Connection, passing: Passing, refusal: Refusal): void {
    const decision = record(connection, passing, refusal)
    const durationMs = performance.now() - connection.startedMs
    runtime.recorder.ended(decision, { status: undefined, durationMs })
    connection.client.resetAndDestroy()
  }

  /** Where the server spoke first, the client has yet to speak; HTTP must not come by that way. */
  function carry(
    { client, startedMs }: Connection,
    decision: Decision,
    upstream: Socket,
    opening: Opening,
  ): void {
    const failure: { code?: 'request_malformed'; error?: string } = {}
    client.once('close', () =>
      runtime.recorder.ended(decision, {
        status: undefined,
        durationMs: performance.now() - startedMs,
        ...failure,
      }),
    )
    relay(client, upstream, runtime.current().snapshot.mesh.timeouts.idleMs)
    void opening.said.then(({ protocol, bytes }) => {
      if (protocol !== 'http') {
        passOn(client, upstream, bytes)
        return
      }
      Object.assign(failure, { code: 'request_malformed', error: 'HTTP after the server spoke first' })
      client.resetAndDestroy()
    })
  }

  function record(connection: Connection, passing: Passing, refusal: Refusal | undefined): Decision {
    const decision = decisionOf(runtime, connection, passing, refusal)
    runtime.recorder.decided(decision)
    passed.add({ protocol: passing, outcome: decision.outcome, code: decision.code ?? '' })
    return decision
  }

  function handOver(client: Socket, serveHttp: () => void): void {
    clients.delete(client)
    if (client.destroyed) return
    client.off('error', onError)
    serveHttp()
    // Node's parser does not let a paused connection flow by itself.
    client.resume()
  }

  /** Neither side has said what it takes to know what this is. */
  function giveUp(connection: Connection, opening: Opening, early: Early | undefined): void {
    const { client, destination, peer } = connection
    const refusal = opening.hasBegun() ? undefined : (refusalOf(runtime, destination) ?? early?.failure())
    if (refusal !== undefined) {
      refuse(connection, 'server_first', refusal)
      return
    }
    const message = 'No request arrived on a redirected connection in time (timeouts.headers).'
    runtime.recorder.unreadable('outbound', new Refusal('request_malformed', message), peer, newRequestId())
    client.destroy()
  }

  return {
    take(client, destination, serveHttp) {
      const peer = peerAddress(client)
      client.on('error', onError)
      clients.add(client)
      client.once('close', () => clients.delete(client))
      // Reset already.
      if (peer === '') {
        client.destroy()
        return
      }
      const connection = { client, destination, peer, startedMs: performance.now() }
      // A fault of our own is no way out.
      serve(connection, serveHttp).catch((error: unknown) =>
        refuse(connection, 'other', asUpstreamRefusal(error)),
      )
    },
    close() {
      own.close()
      for (const client of clients) client.destroy()
    },
  }
}

/** Node destroys it; here it is only that somebody has to hear of it. */
function onError(): void {}

function isOwn(): Refusal {
  const message = 'This connection is from the sidecar itself: the redirect rules do not exempt its user.'
  return new Refusal('route_not_found', message, { status: 421 })
}

/** @throws {Refusal} `egress_denied`, and what {@link judgeAddress} refuses. */
function permit(runtime: Runtime, { address, port }: OriginalDestination): void {
  judgeAddress(address, port, runtime.egressRule())
  refuseUnlisted(runtime.current().snapshot.mesh)
}

function refusalOf(runtime: Runtime, destination: OriginalDestination): Refusal | undefined {
  try {
    permit(runtime, destination)
    return undefined
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
}

/** By the way that is open already, where it is. */
async function reach(runtime: Runtime, connection: Connection, early: Early | undefined): Promise<Socket> {
  const { client } = connection
  const leaving = new AbortController()
  const onClose = () => leaving.abort()
  const anew = () => connectTo(runtime, connection, leaving.signal)
  client.once('close', onClose)
  try {
    return await (early === undefined ? anew() : early.upstream.catch(anew))
  } finally {
    client.off('close', onClose)
  }
}

function connectTo(runtime: Runtime, { destination }: Connection, leaving: AbortSignal): Promise<Socket> {
  const { connectMs } = runtime.current().snapshot.mesh.timeouts
  return dial({ host: destination.address, port: destination.port }, connectMs, leaving)
}

function firstToSpeak(opening: Opening, early: Early | undefined): Promise<Said | 'server'> {
  return early === undefined ? opening.said : Promise.race([opening.said, early.spoken])
}

/** Undefined where it takes longer; 0 means no limit. */
async function within<T>(limitMs: number, promise: Promise<T>): Promise<T | undefined> {
  if (limitMs === 0) return promise
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => late.resolve(undefined), limitMs)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

function decisionOf(
  runtime: Runtime,
  { destination, peer }: Connection,
  passing: Passing,
  refusal: Refusal | undefined,
): Decision {
  return makeDecision({
    requestId: newRequestId(),
    direction: 'outbound',
    atMs: runtime.now(),
    mesh: runtime.current().snapshot.mesh,
    refusal,
    reason: `${described[passing]} to port ${destination.port}`,
    method: 'TCP',
    target: { host: destination.address, originForm: '' },
    route: undefined,
    peer,
    caller: undefined,
    originalUser: undefined,
  })
}
