// What the attacks share: tokens made by hand, a socket that says anything, and a look at what a sidecar holds.
import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { readFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { text } from 'node:stream/consumers'
import { forge } from '../../deploy/demo/forge.ts'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import type { TestApp } from '../support/app.ts'
import { send, type Answer } from '../support/client.ts'
import { hosts, meshIssuer, x5cOf, type RunningSidecar, type TestMesh } from '../support/mesh.ts'

export const assertionName = 'X-Pomerium-Jwt-Assertion'
export const forName = 'X-Pomerium-Jwt-Assertion-For'
export const handleName = 'x-onbehalf-handle'
export const viaName = 'x-onbehalf-via'

/** Long enough for a loaded machine, short enough to say that something hangs. */
const deadlineMs = 10_000

export async function asUser(mesh: TestMesh, user: string): Promise<string[]> {
  return [assertionName, await mesh.pomerium.assertion(user, hosts.App)]
}

export function present(mesh: TestMesh, token: string): Promise<Answer> {
  return send({ port: mesh.sidecars.App.inbound, headers: [assertionName, token] })
}

/** A JWS of exactly these bytes of header and payload, signed as ES256. */
export function compact(header: string | Buffer, payload: string | Buffer, key: KeyObject): string {
  const input = `${Buffer.from(header).toString('base64url')}.${Buffer.from(payload).toString('base64url')}`
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}

/** An assertion for API as the sidecar of `account` would mint it, but for `changes`. */
export async function mintByHand(
  mesh: TestMesh,
  account: string,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const certified = await mesh.certified(account)
  const key = createPrivateKey(certified.keyPem)
  const kid = keyThumbprint(createPublicKey(key))
  const header = { alg: 'ES256', typ: 'JWT', kid, x5c: x5cOf(certified) }
  return forge({ header, payload: { ...mintedClaims(account), ...changes }, key })
}

/** What a sidecar says of its account to API. */
export function mintedClaims(account: string): Record<string, unknown> {
  const iat = Math.floor(Date.now() / 1000)
  return {
    iss: meshIssuer,
    aud: hosts.API,
    sub: account,
    user: account,
    email: '',
    groups: [],
    name: '',
    iat,
    exp: iat + 60,
    jti: 'by-hand',
    sid: 'by-hand',
  }
}

/** Says `bytes`, and gives all that is answered until the other side closes; a reset is a close too. */
export async function speak(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.setEncoding('latin1').on('data', (part: string) => (answer += part))
  socket.on('error', () => undefined)
  socket.write(bytes, 'latin1')
  await closed(socket, `after ${JSON.stringify(answer.slice(0, 200))}`)
  return answer
}

/** Resolves when a socket is closed; fails, saying what for, where it stays open. */
export async function closed(socket: Socket, what = ''): Promise<void> {
  if (socket.closed) return
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => {
    reject(new Error(`the connection stays open ${what}`))
    socket.destroy()
  }, deadlineMs)
  socket.once('close', resolve)
  await promise.finally(() => clearTimeout(timer))
}

export async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.on('error', () => undefined)
  return socket
}

/** The refusal's code of a raw answer, or its status line where it has none. */
export function verdict(raw: string): string {
  return /^x-onbehalf-error: (\S+)/m.exec(raw)?.[1] ?? raw.slice(0, raw.indexOf('\r\n'))
}

/** Asks for a condition again and again, with a request in between, until it holds. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const lateMs = Date.now() + deadlineMs
  while (!(await condition())) {
    assert.ok(Date.now() < lateMs, `not in time: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A sample of `/metrics`. */
export async function gauge({ probes }: Pick<RunningSidecar, 'probes'>, sample: string): Promise<number> {
  const { body } = await send({ port: probes, target: '/metrics' })
  const line = body.split('\n').find((each) => each.startsWith(`${sample} `))
  assert.ok(line !== undefined, `there is no ${sample}`)
  return Number(line.slice(sample.length + 1))
}

export const activeInbound = 'onbehalf_active_requests{direction="inbound"}'
export const activeOutbound = 'onbehalf_active_requests{direction="outbound"}'
export const activeSessions = 'onbehalf_sessions{state="active"}'

/** Waits until nothing is under way. */
export async function untilIdle(sidecar: RunningSidecar): Promise<void> {
  await until('no request is under way and no session is active', async () => {
    const samples = [activeInbound, activeOutbound, activeSessions]
    const values = await Promise.all(samples.map((sample) => gauge(sidecar, sample)))
    return values.every((value) => value === 0)
  })
}

/** Sockets of this process: the sidecars', the apps' and the attacker's. */
export function socketCount(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
}

/** A server that does with each connection what the test says. */
export async function startRaw(t: TestContext, onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    onConnection(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

/** Answers each connection's first bytes with these, and closes. */
export function startCanned(t: TestContext, answer: string): Promise<number> {
  return startRaw(t, (socket) => socket.once('data', () => socket.end(answer, 'latin1')))
}

/** Makes the app call a host through its sidecar with what `copy` picks, and answer with the callee's answer. */
export function calling(
  app: TestApp,
  outbound: number,
  host: string,
  copy: (incoming: IncomingMessage) => readonly string[],
): void {
  app.handler = async (incoming, response) => {
    const call = httpRequest({
      host: '127.0.0.1',
      port: outbound,
      path: incoming.url,
      headers: ['Host', host, ...copy(incoming)],
      setHost: false,
      agent: false,
    }).end()
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    response.writeHead(answer.statusCode ?? 0)
    response.end(await text(answer))
  }
}

/** The token of the admin listener, as the user of the sidecar reads it. */
export async function adminToken({ sidecar }: RunningSidecar): Promise<string> {
  return (await readFile(sidecar.adminToken.file, 'utf8')).trim()
}

/** Whether alice is served, as if nothing had happened. */
export async function assertServes(mesh: TestMesh): Promise<void> {
  const headers = await asUser(mesh, 'alice')
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
}

/** Calls by Host, by the absolute form, and by CONNECT. */
export async function callEachWay(mesh: TestMesh, host: string, port: number): Promise<string[]> {
  const authority = `${host}:${port}`
  const ways = [`GET / HTTP/1.1`, `GET http://${authority}/ HTTP/1.1`, `CONNECT ${authority} HTTP/1.1`]
  const answers: string[] = []
  for (const line of ways) {
    const bytes = `${line}\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`
    answers.push(verdict(await speakOnce(mesh.sidecars.App.outbound, bytes)))
  }
  return answers
}

/** Like {@link speak}, but for a tunnel, which stays open: ends it when it is made. */
async function speakOnce(port: number, bytes: string): Promise<string> {
  const socket = await open(port)
  let answer = ''
  socket.setEncoding('latin1').on('data', (part: string) => {
    answer += part
    if (answer.includes(' 200 Connection Established')) socket.destroy()
  })
  socket.write(bytes, 'latin1')
  await closed(socket)
  return answer
}
