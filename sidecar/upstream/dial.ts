// Connects to an upstream, in TLS where its scheme says so: verified before a byte of a request is sent.
import { connect, isIP, type LookupFunction, type Socket } from 'node:net'
import {
  checkServerIdentity,
  connect as connectTls,
  type DetailedPeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls'
import { BoundedMap } from '../../shared/bounded-map.ts'
import type { Endpoint, Timeouts } from '../../shared/config/mesh.ts'
import { startTimer, timedOut } from '../http/failures.ts'
import type { Choice } from './balancer.ts'

/** Characters of TLS sessions that are kept, and of what they are found by. */
const sessionLength = 4 * 1024 * 1024

/** How an upstream is verified in TLS, and what is shown to it. */
export interface Security {
  /** Names all that the verdict on a connection depends on: one of another key does not serve. */
  readonly key: string
  /** The roots that count, and the certificate that is shown where one is asked for. */
  readonly context: SecureContext
  /** Whom to ask for (SNI), and whose certificate it must be where nothing else is asked; default: the upstream's host. */
  readonly serverName?: string
  /** What is asked of a certificate that the roots vouch for, in place of the name; the fault, if it has one. */
  readonly judge?: (certificate: DetailedPeerCertificate) => Error | undefined
}

export interface Destination {
  readonly upstream: Endpoint
  /** Resolves the upstream's name; undefined: the system's way. */
  readonly lookup?: LookupFunction | undefined
  /** Which of the addresses of `upstream`; undefined: as the system finds them. */
  readonly choice?: Choice | undefined
  /** Undefined: the system's roots vouch for it, and it has the upstream's name. */
  readonly security?: Security | undefined
  readonly timeouts: Pick<Timeouts, 'connectMs'>
  /** In place of `timeouts.connectMs`, where there is another address to go to. */
  readonly dialMs?: number
}

export type Protocol = 'h2' | 'http/1.1'

/** Of destinations with the same key one connection is as good as another. */
export function keyOf({ upstream, choice, security }: Destination): string {
  const { tls, host, port } = upstream
  const where = choice === undefined ? `${host}:${port}` : choice.name
  return tls ? `${security?.key ?? ''} https://${where}` : `http://${where}`
}

export class Dialler {
  /** RFC 8446 section 4.6.1, by the key of the destination. */
  readonly #sessions = new BoundedMap<string, Buffer>(sessionLength)

  /** @returns a connection under way: it is there at `secureConnect`, or at `connect` in clear text. */
  dial(destination: Destination, protocols: readonly Protocol[]): Socket {
    const { upstream, choice, timeouts } = destination
    const { host, port } = upstream
    const lookup = choice === undefined ? destination.lookup : lookupOf(choice)
    const where = { host, port, noDelay: true, ...(lookup === undefined ? undefined : { lookup }) }
    const socket = upstream.tls ? this.#dialTls(where, destination, protocols) : connect(where)
    let isOver = false
    // Timers run before what has come is looked at: after a stand-still of our own it may be connected already.
    const onLate = () => setImmediate(() => isOver || socket.destroy(timedOut('connect')))
    const timer = startTimer(destination.dialMs ?? timeouts.connectMs, onLate)
    const stop = () => {
      isOver = true
      clearTimeout(timer)
    }
    socket.once(connectedEvent(socket), stop).once('close', stop)
    if (choice !== undefined) watch(socket, choice)
    return socket
  }

  #dialTls(where: object, destination: Destination, protocols: readonly Protocol[]): TLSSocket {
    const { upstream, security } = destination
    const { serverName = upstream.host, judge, context } = security ?? {}
    const key = keyOf(destination)
    // Who is judged by the certificate itself shows it each time.
    const session = judge === undefined ? this.#sessions.get(key) : undefined
    const socket = connectTls({
      ...where,
      ALPNProtocols: [...protocols],
      servername: isIP(serverName) === 0 ? serverName : '',
      // Said here: it is not left to NODE_TLS_REJECT_UNAUTHORIZED.
      rejectUnauthorized: true,
      checkServerIdentity: (_host, certificate) =>
        judge === undefined
          ? checkServerIdentity(serverName, certificate)
          : judge(certificate as DetailedPeerCertificate),
      ...(context === undefined ? undefined : { secureContext: context }),
      ...(session === undefined ? undefined : { session }),
    })
    if (judge === undefined) {
      socket.on('session', (given) => this.#sessions.set(key, given, given.length + key.length))
    }
    return socket
  }
}

/** Node tries one after the other, each for a moment (RFC 8305). */
function lookupOf({ candidates }: Choice): LookupFunction {
  const addresses = candidates.map((address) => ({ address, family: isIP(address) }))
  return (_host, options, callback) => {
    const [first] = addresses
    if (options.all === true || first === undefined) callback(null, addresses)
    else callback(null, first.address, first.family)
  }
}

function watch(socket: Socket, choice: Choice): void {
  socket.on('connectionAttemptFailed', (address, _port, _family, error) => choice.failed(address, error))
  socket.on('connectionAttemptTimeout', (address) =>
    choice.failed(address, new Error('not connected in time')),
  )
  socket.once(connectedEvent(socket), () => choice.connected(socket.remoteAddress ?? ''))
}

/** Whether it was connected to another address than was chosen: it must not be taken for one to that. */
export function isElsewhere(socket: Socket, { choice }: Destination): boolean {
  return choice !== undefined && socket.remoteAddress !== choice.address
}

export function connectedEvent(socket: Socket): 'connect' | 'secureConnect' {
  return 'encrypted' in socket ? 'secureConnect' : 'connect'
}

/** Whether TLS was not agreed on because the upstream speaks another protocol alone (RFC 7301 section 3.2). */
export function wantsOtherProtocol(error: unknown): boolean {
  // Where something waits to be written Node has no code for it.
  return error instanceof Error && /\balert no application protocol\b/.test(error.message)
}
