// Clients that take their time: with the head of a request, with its body, or with reading the answer.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type ClientRequest } from 'node:http'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { open, verdict } from '../attacks/attack.ts'

export interface SlowClient {
  /** Goes on at full speed, and checks that it is served as if it had never been slow. */
  finish(): Promise<void>
  /** Leaves in the middle. */
  abort(): void
}

export interface Where {
  readonly port: number
  /** Names and values in turn. */
  readonly headers: readonly string[]
  /** Of the clients, to be destroyed where a test ends early. */
  readonly sockets: Set<Socket>
}

const stepMs = 100

async function openAt({ port, sockets }: Where): Promise<Socket> {
  const socket = await open(port)
  sockets.add(socket)
  return socket
}

/** However long it takes, and however it ends. */
function closing(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve))
}

function ask(where: Where, method: string, path: string, headers: readonly string[] = []): ClientRequest {
  const request = httpRequest({
    host: '127.0.0.1',
    port: where.port,
    method,
    path,
    headers: ['Host', 'a', ...where.headers, ...headers],
    agent: false,
  })
  request.on('error', () => undefined)
  request.once('socket', (socket) => where.sockets.add(socket))
  return request
}

/** Half of them leave by FIN, half by RST. */
let leavers = 0
function leave(socket: Socket): void {
  if (leavers++ % 2 === 0) socket.destroy()
  else socket.resetAndDestroy()
}

/** Reads one chunk of `/large/<octets>` at a time. */
export async function slowReader(where: Where, bytes: number): Promise<SlowClient> {
  const request = ask(where, 'GET', `/large/${bytes}`).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  assert.equal(response.statusCode, 200)
  let read = 0
  let isSlow = true
  response.on('data', (chunk: Buffer) => {
    read += chunk.length
    if (!isSlow) return
    response.pause()
    setTimeout(() => response.resume(), stepMs)
  })
  response.on('error', () => undefined)
  return {
    async finish() {
      isSlow = false
      response.resume()
      await once(response, 'end')
      assert.equal(read, bytes)
    },
    abort: () => leave(request.socket as Socket),
  }
}

/** Sends its body octet by octet, each in a chunk of its own where it comes in chunks. */
export async function slowWriter(where: Where, framing: 'length' | 'chunks'): Promise<SlowClient> {
  const length = 100_000
  const headers = framing === 'length' ? ['Content-Length', String(length)] : ['Transfer-Encoding', 'chunked']
  const request = ask(where, 'POST', '/counted', headers)
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  answered.catch(() => undefined)
  let sent = 0
  const writing = setInterval(() => {
    request.write('x')
    sent++
  }, stepMs)
  request.once('close', () => clearInterval(writing))
  return {
    async finish() {
      clearInterval(writing)
      request.end('x'.repeat(length - sent))
      const [response] = await answered
      assert.deepEqual([response.statusCode, await text(response)], [200, String(length)])
    },
    abort: () => leave(request.socket as Socket),
  }
}

/** Sends many requests at once, and reads the answers as slowly as {@link slowReader}. */
export async function slowPipeliner(where: Where, count: number): Promise<SlowClient> {
  const socket = await openAt(where)
  const [name, value] = where.headers
  const bytes = 2 * 1024 * 1024
  const one = (i: number) =>
    `GET /numbered/${i}/${bytes} HTTP/1.1\r\nHost: a\r\n${name}: ${value}\r\n${i === count - 1 ? 'Connection: close\r\n' : ''}\r\n`
  socket.write(Array.from({ length: count }, (_, i) => one(i)).join(''))
  let answers = ''
  let isSlow = true
  const isClosed = closing(socket)
  socket.setEncoding('latin1').on('data', (part: string) => {
    answers += part.replace(/x+/g, '')
    if (!isSlow) return
    socket.pause()
    setTimeout(() => socket.resume(), stepMs)
  })
  return {
    async finish() {
      isSlow = false
      socket.resume()
      await isClosed
      const numbers = [...answers.matchAll(/<(\d+)>/g)].map(([, number]) => Number(number))
      assert.deepEqual(
        numbers,
        Array.from({ length: count }, (_, i) => i),
      )
    },
    abort: () => leave(socket),
  }
}

/** Sends header fields octet by octet, without an end; gives the code with which it is ended. */
export async function slowHeaderSender(where: Where): Promise<string> {
  const socket = await openAt(where)
  const isClosed = closing(socket)
  let answer = ''
  socket.setEncoding('latin1').on('data', (part: string) => (answer += part))
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ')
  const writing = setInterval(() => socket.write('x'), stepMs)
  await isClosed
  clearInterval(writing)
  return verdict(answer)
}

/** Asks once, or not at all, and then says nothing; gives what came after the answer until it was ended. */
export async function idleClient(where: Where, asks: boolean): Promise<string> {
  const socket = await openAt(where)
  const isClosed = closing(socket)
  let answer = ''
  socket.setEncoding('latin1').on('data', (part: string) => (answer += part))
  const [name, value] = where.headers
  if (asks) socket.write(`GET /numbered/7/3 HTTP/1.1\r\nHost: a\r\n${name}: ${value}\r\n\r\n`)
  await isClosed
  if (!asks) return ''
  assert.match(answer, /<7>/)
  return answer.slice(answer.indexOf('<7>') + 3)
}

export interface NormalClient {
  readonly served: () => number
  /** Ends it when its request under way is served. */
  stop(): Promise<void>
}

/** Asks again and again until it is stopped, each time with a body that must come back. */
export function normalClient(t: TestContext, where: Where): NormalClient {
  const stopped = new AbortController()
  t.after(() => stopped.abort())
  let served = 0
  const run = async () => {
    while (!stopped.signal.aborted) {
      const body = `body ${served}`
      const request = ask(where, 'PUT', '/echo', ['Content-Length', String(body.length)]).end(body)
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      assert.deepEqual([response.statusCode, await text(response)], [200, body])
      served++
      await pause(2)
    }
  }
  const running = run()
  running.catch(() => undefined)
  return {
    served: () => served,
    async stop() {
      stopped.abort()
      await running
    },
  }
}
