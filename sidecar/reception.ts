// Receives connections: finds out what is spoken on each, and hands it to who serves that.
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Timeouts } from '../shared/config/mesh.ts'
import { ShownCertificates } from '../shared/peer.ts'
import type { Connection } from './http/connection.ts'
import { readOpening } from './http/opening.ts'
import { peerAddress } from './http/peer-address.ts'
import type { Http2Server } from './http2/server.ts'
import type { OriginalDestinations } from './interception/original-destination.ts'
import { TlsServer } from './tls/server.ts'
import { shownCertificates } from './tls/shown.ts'

/** Who serves what is spoken on one side. */
export interface Serving {
  readonly http2: Http2Server
  readonly http1: (socket: Socket) => void
  readonly hasTls: boolean
}

export interface ReceptionOptions {
  readonly timeouts: Timeouts
  readonly originalDestinations: OriginalDestinations
  readonly onTlsFailure: (cause: Error, peer: string) => void
}

export class Reception {
  readonly tls: TlsServer
  readonly #originalDestinations: OriginalDestinations
  readonly #patienceMs: number
  /** Of what is spoken on inside of TLS. */
  readonly #inside = new WeakMap<Socket, Connection>()

  constructor({ timeouts, originalDestinations, onTlsFailure }: ReceptionOptions) {
    this.#originalDestinations = originalDestinations
    this.#patienceMs = Math.min(timeouts.headersMs || Infinity, timeouts.idleMs || Infinity)
    this.tls = new TlsServer({
      handshakeMs: timeouts.headersMs,
      onFailure: (cause, socket) => onTlsFailure(cause, peerAddress(socket)),
    })
  }

  connectionOf(socket: Socket): Connection {
    return (
      this.#inside.get(socket) ?? {
        peer: peerAddress(socket),
        localPort: socket.localPort,
        originalDestination: this.#originalDestinations.of(socket),
        isTls: false,
        shown: undefined,
      }
    )
  }

  /** By what it says first. */
  async receive(socket: Socket, serving: Serving): Promise<void> {
    const spoken = await readOpening(socket, this.#patienceMs)
    if (spoken === undefined) return
    if (spoken === 'http2') serving.http2.accept(socket, this.connectionOf(socket))
    else if (spoken === 'tls' && serving.hasTls && this.tls.isReady) {
      this.tls.accept(socket, (inside) => this.#serveInside(socket, inside, serving))
    } else {
      serving.http1(socket)
      // Node's parser does not let a paused connection flow by itself.
      socket.resume()
    }
  }

  #serveInside(socket: Socket, inside: TLSSocket, { http1, http2 }: Serving): void {
    const chain = shownCertificates(inside.getPeerCertificate(true))
    const shown = chain.length === 0 ? undefined : new ShownCertificates(chain)
    const connection = { ...this.connectionOf(socket), isTls: true, shown }
    this.#inside.set(inside, connection)
    if (inside.alpnProtocol === 'h2') http2.accept(inside, connection)
    else http1(inside)
  }
}
