// The inbound side of TLS: agrees on it with clients, on connections that are known to speak it.
import type { Socket } from 'node:net'
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls'

export interface TlsServerOptions {
  /** Milliseconds that a client may take to agree; 0: no limit. */
  readonly handshakeMs: number
  /** TLS was not agreed on. */
  readonly onFailure: (error: Error, socket: TLSSocket) => void
}

/** Node takes no "no limit" here. */
const longestHandshakeMs = 2 ** 31 - 1

interface Agreeing {
  readonly socket: Socket
  readonly onAgreed: (inside: TLSSocket) => void
}

export class TlsServer {
  readonly #options: TlsServerOptions
  /** Handshakes under way, by the two ends of their connection: node:tls does not say which it is that has ended. */
  readonly #agreeing = new Map<string, Agreeing>()
  #server: Server | undefined

  constructor(options: TlsServerOptions) {
    this.#options = options
  }

  /** Whether there is a certificate to speak TLS with. */
  get isReady(): boolean {
    return this.#server !== undefined
  }

  /** From now on; connections that are open stay as they are. */
  use(context: SecureContextOptions | undefined): void {
    if (context === undefined) this.#server = undefined
    else if (this.#server === undefined) this.#server = this.#create(context)
    else this.#server.setSecureContext(context)
  }

  /** @param onAgreed called with what is spoken on inside of TLS, where that was agreed on. */
  accept(socket: Socket, onAgreed: Agreeing['onAgreed']): void {
    const ends = endsOf(socket)
    this.#agreeing.set(ends, { socket, onAgreed })
    socket.once('close', () => {
      if (this.#agreeing.get(ends)?.socket === socket) this.#agreeing.delete(ends)
    })
    this.#server?.emit('connection', socket)
  }

  /** Ends what has not agreed yet; what has is its reader's to end. */
  close(): void {
    for (const { socket } of this.#agreeing.values()) socket.destroy()
  }

  #create(context: SecureContextOptions): Server {
    const server = createServer({
      ...context,
      ALPNProtocols: ['h2', 'http/1.1'],
      handshakeTimeout: this.#options.handshakeMs || longestHandshakeMs,
      // Who shows one is judged request by request, by stricter rules, and told why it does not count.
      requestCert: true,
      rejectUnauthorized: false,
    })
    server.on('secureConnection', (secured) => {
      const ends = endsOf(secured)
      const agreed = this.#agreeing.get(ends)
      this.#agreeing.delete(ends)
      if (agreed === undefined) secured.destroy()
      else agreed.onAgreed(secured)
    })
    server.on('tlsClientError', this.#options.onFailure)
    return server
  }
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress}|${remotePort}|${localAddress}|${localPort}`
}
