// Runs in the node's own network: asks what a kubelet asks, and calls as a Pomerium in front of the pods would.
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { Agent, request, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'

export interface Asked {
  readonly host: string
  readonly port: number
  readonly path: string
  readonly headers?: OutgoingHttpHeaders
  readonly timeoutMs: number
}

export interface Answered {
  /** 0: no answer; the body then says why. */
  readonly status: number
  readonly body: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

export interface LoadOptions extends Omit<Asked, 'timeoutMs'> {
  readonly perSecond: number
  /** Host of the entry route: the audience of the users' tokens. */
  readonly audience: string
}

export interface Tally {
  readonly sent: number
  /** Not sent though they were due: as many were open as the machine could keep up with. */
  readonly held: number
  readonly seconds: number
  /** By the status, or the reason why there was none. */
  readonly ends: Readonly<Record<string, number>>
  /** Answers that name another user than the one who asked. */
  readonly wrongUsers: number
  readonly longestMs: number
}

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keyId = 'pomerium'
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

function assertion(audience: string, user: string): string {
  const iat = Math.floor(Date.now() / 1_000)
  const claims = {
    iss: audience,
    aud: audience,
    sub: `${user}-id`,
    email: `${user}@companydomain.com`,
    groups: ['staff'],
    name: user,
    jti: randomUUID(),
    sid: `${user}-session`,
    iat,
    exp: iat + 300,
  }
  const signed = `${encode({ alg: 'ES256', typ: 'JWT', kid: keyId })}.${encode(claims)}`
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

const kept = new Agent({ keepAlive: true })

async function ask(
  { host, port, path, headers = {}, timeoutMs }: Asked,
  agent: Agent | false = false,
): Promise<Answered> {
  try {
    const signal = AbortSignal.timeout(Math.ceil(timeoutMs))
    const asking = request({ host, port, path, headers, agent, signal }).end()
    const [response] = (await once(asking, 'response')) as [IncomingMessage]
    return { status: response.statusCode ?? 0, body: await text(response), headers: response.headers }
  } catch (error) {
    return { status: 0, body: (error as NodeJS.ErrnoException).code ?? String(error), headers: {} }
  }
}

interface Load {
  stop(): Promise<Tally>
}
let running: Load | undefined

/** What a machine cannot keep up with is not piled up. */
const maxOpen = 40

/** At a steady rate, as far as the machine can keep up with it. */
function startLoad({ perSecond, audience, ...where }: LoadOptions): Load {
  const startedMs = performance.now()
  const ends: Record<string, number> = {}
  const open = new Set<Promise<void>>()
  let [sent, held, wrongUsers, longestMs] = [0, 0, 0, 0]
  const one = async (user: string) => {
    const askedMs = performance.now()
    const headers = { ...where.headers, 'X-Pomerium-Jwt-Assertion': assertion(audience, user) }
    const { status, body, headers: answered } = await ask({ ...where, headers, timeoutMs: 60_000 }, kept)
    longestMs = Math.max(longestMs, performance.now() - askedMs)
    const end = status === 0 ? body : `${status} ${String(answered['x-onbehalf-error'] ?? '')}`.trim()
    ends[end] = (ends[end] ?? 0) + 1
    if (status === 200 && !isOnBehalfOf(body, `${user}@companydomain.com`)) wrongUsers++
  }
  const send = () => {
    const due = ((performance.now() - startedMs) / 1_000) * perSecond
    while (sent + held < due) {
      if (open.size >= maxOpen) {
        held++
        continue
      }
      const each = one(`user${sent++ % 50}`).finally(() => open.delete(each))
      open.add(each)
    }
  }
  const timer = setInterval(send, 10)
  return {
    async stop() {
      clearInterval(timer)
      const seconds = (performance.now() - startedMs) / 1_000
      while (open.size > 0) await Promise.all(open)
      return { sent, held, seconds, ends, wrongUsers, longestMs }
    },
  }
}

/** At every hop: the answer of the demo's app holds those of the next ones. */
function isOnBehalfOf(body: string, email: string): boolean {
  type Hop = { readonly onBehalfOf?: string; readonly next?: Hop }
  let hop = JSON.parse(body) as Hop | undefined
  for (; hop !== undefined; hop = hop.next) if (hop.onBehalfOf !== email) return false
  return true
}

const orders = {
  get: (asked: Asked) => ask(asked),
  /** As a user who comes by Pomerium. */
  visit: ({ audience, user, ...asked }: Asked & { readonly audience: string; readonly user: string }) =>
    ask({ ...asked, headers: { ...asked.headers, 'X-Pomerium-Jwt-Assertion': assertion(audience, user) } }),
  async connect({ host, port, timeoutMs }: Omit<Asked, 'path'>): Promise<boolean> {
    const socket = connect({ host, port })
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(Math.ceil(timeoutMs)) })
      return true
    } catch {
      return false
    } finally {
      socket.destroy()
    }
  },
  keySet: async () => ({
    keys: [{ ...publicKey.export({ format: 'jwk' }), kid: keyId, alg: 'ES256', use: 'sig' }],
  }),
  async startLoad(options: LoadOptions): Promise<void> {
    running = startLoad(options)
  },
  /** @param afterMs of further load. */
  async stopLoad(afterMs: number): Promise<Tally> {
    if (running === undefined) throw new Error('there is no load')
    await pause(afterMs)
    return running.stop()
  },
} as const
export type Orders = typeof orders

interface Order {
  readonly id: number
  readonly what: keyof Orders
  readonly given: never
}

async function obey({ id, what, given }: Order): Promise<void> {
  try {
    process.send?.({ id, result: await orders[what](given) })
  } catch (error) {
    process.send?.({ id, failure: String(error) })
  }
}

process.on('message', (order: Order) => void obey(order))
process.on('disconnect', () => process.exit())
process.send?.({ id: 0 })
