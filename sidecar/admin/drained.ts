// Who waits for the sidecar to be drained: the kubelet, before it ends the app.
import type { ServerResponse } from 'node:http'

/** Of one address: the kubelet has its own, and nobody else shuts it out. */
const maxWaitingOfOne = 64
const maxWaiting = 512
/** A pod's containers are told to end at about the same time. */
const patienceMs = 10_000

/** Answers `GET /drained`; it never begins a drain. */
export class Drained {
  /** With the address of each. */
  readonly #waiting = new Map<ServerResponse, string>()
  #state: 'serving' | 'draining' | 'drained' = 'serving'
  #left = 0

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size
  }

  begin(): void {
    this.#state = 'draining'
  }

  /** @param left requests to the app that are still under way: timeouts.drain is over. */
  finish(left: number): void {
    this.#state = 'drained'
    this.#left = left
    for (const response of this.#waiting.keys()) this.#answer(response)
  }

  /** @param spare keeps the connection of who waits, whoever else comes: those are counted here. */
  serve(response: ServerResponse, spare: () => void): void {
    if (this.#state === 'drained') {
      this.#answer(response)
      return
    }
    const address = response.socket?.remoteAddress ?? ''
    const ofOne = [...this.#waiting.values()].filter((other) => other === address).length
    if (ofOne >= maxWaitingOfOne || this.#waiting.size >= maxWaiting) {
      send(response, 503, `${ofOne} wait already`)
      return
    }
    this.#waiting.set(response, address)
    spare()
    const impatience = setTimeout(() => {
      if (this.#state === 'serving') send(response, 503, 'no drain has begun')
    }, patienceMs)
    response.once('close', () => {
      clearTimeout(impatience)
      this.#waiting.delete(response)
    })
  }

  #answer(response: ServerResponse): void {
    send(response, 200, this.#left === 0 ? 'drained' : `drained but for ${this.#left} requests to the app`)
  }
}

function send(response: ServerResponse, status: number, line: string): void {
  // Who was spared is no longer counted.
  const headers = { 'cache-control': 'no-store', connection: 'close' }
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers })
  response.end(`${line}\n`)
}
