// A proxy of bytes that fails when it is told to.
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/**
 * `end`: its own side is ended, and what still comes is read; `stall`: nothing passes any more; `garbage`: what is no HTTP,
 * nor TLS, comes in place of what is due, and then the end.
 */
export type Fault = 'reset' | 'end' | 'stall' | 'garbage'
export const faults: readonly Fault[] = ['reset', 'end', 'stall', 'garbage']

interface Passing {
  readonly client: Socket
  readonly server: Socket
  hasFailed: boolean
}

const garbage = Buffer.from('\u0000\u0001 this is nothing of the kind\r\n\r\n\u0000')

export class FaultProxy {
  readonly #open = new Set<Passing>()
  readonly #serverPort: number
  port = 0
  /** What becomes of connections before a byte has passed. */
  onAccept: Fault | undefined
  /** In place of each part of an answer. */
  rewrite: (part: Buffer) => Buffer = (part) => part
  /** Connections made so far. */
  made = 0

  constructor(serverPort: number) {
    this.#serverPort = serverPort
  }

  /** Connections that are open from the other side: a failed one that is still held counts. */
  get open(): number {
    return this.#open.size
  }

  /** All that are open fail. */
  fail(fault: Fault): void {
    for (const passing of this.#open) failOne(passing, fault)
  }

  close(): void {
    for (const { client, server } of this.#open) {
      client.destroy()
      server.destroy()
    }
  }

  take(client: Socket): void {
    const server = connect({ port: this.#serverPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const passing = { client, server, hasFailed: false }
    this.made++
    this.#open.add(passing)
    client.on('error', () => undefined)
    client.once('close', () => {
      this.#open.delete(passing)
      server.destroy()
    })
    server.on('error', () => passing.hasFailed || client.destroy())
    if (this.onAccept !== undefined) {
      failOne(passing, this.onAccept)
      return
    }
    carry(passing, client, server, (part) => part)
    carry(passing, server, client, (part) => this.rewrite(part))
  }
}

function failOne(passing: Passing, fault: Fault): void {
  const { client, server } = passing
  passing.hasFailed = true
  server.destroy()
  if (fault === 'reset') client.resetAndDestroy()
  else if (fault === 'end') client.end()
  else if (fault === 'garbage') client.end(garbage)
  // What still comes is read, so that its end shows.
  client.once('end', () => client.destroy()).resume()
}

function carry(passing: Passing, from: Socket, to: Socket, change: (part: Buffer) => Buffer): void {
  from.on('data', (part: Buffer) => {
    if (passing.hasFailed || to.write(change(part))) return
    from.pause()
    to.once('drain', () => from.resume())
  })
  from.on('end', () => {
    if (!passing.hasFailed) to.end()
  })
}

/** Before a server; it ends with the test. */
export async function startFaultProxy(t: TestContext, serverPort: number): Promise<FaultProxy> {
  const proxy = new FaultProxy(serverPort)
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => proxy.take(client))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy.port = (server.address() as AddressInfo).port
  t.after(() => {
    server.close()
    proxy.close()
  })
  return proxy
}
