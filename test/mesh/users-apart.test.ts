// 100 users at once over three copying services: not one request may carry another's user.
import assert from 'node:assert/strict'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import type { AssertionSessions, Session } from '../../shared/session.ts'
import { Sessions, type KeptSession } from '../../sidecar/sessions.ts'
import type { TestApp } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'

const users = 100
/** So many requests a user makes with one token: those of a page. */
const requestsPerToken = 10
const assertionName = 'X-Pomerium-Jwt-Assertion'
const forName = 'X-Pomerium-Jwt-Assertion-For'

interface Tally {
  /** Requests that reached each service with exactly the user who started them. */
  readonly right: { App: number; API: number; Ledger: number }
  /** What arrived with another user, or with none. */
  readonly wrong: string[]
  readonly statuses: Map<number, number>
}

/** The path says who started it; the verified headers say who it is. */
function check(tally: Tally, service: keyof Tally['right'], request: IncomingMessage): void {
  const started = /^\/(user\d+)\//.exec(request.url ?? '')?.[1]
  const name = service === 'App' ? 'x-pomerium-authenticated-user-id' : 'x-pomerium-original-user-id'
  const carried = String(request.headers[name] ?? 'nobody')
  if (carried === `${started}-id`) tally.right[service]++
  else tally.wrong.push(`${service}: ${started} arrived as ${carried}`)
}

function copying(
  app: TestApp,
  names: readonly string[],
  next: Hop | undefined,
  onRequest: (r: IncomingMessage) => void,
): void {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  app.handler = async (incoming, response) => {
    onRequest(incoming)
    // Each request waits its own while, so that the order of answers is not the order of requests.
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 4))
    if (next === undefined) {
      response.end('end')
      return
    }
    const copied = names.flatMap((name) => {
      const value = incoming.headers[name.toLowerCase()]
      return typeof value === 'string' ? [name, value] : []
    })
    const call = httpRequest({
      host: '127.0.0.1',
      port: next.outbound,
      path: incoming.url ?? '/',
      headers: ['Host', next.host, ...copied],
      setHost: false,
      agent,
    }).end()
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    response.writeHead(answer.statusCode ?? 0)
    response.end(await text(answer))
  }
}

interface Hop {
  readonly host: string
  readonly outbound: number
}

function wire(mesh: TestMesh, names: readonly string[]): Tally {
  const tally: Tally = { right: { App: 0, API: 0, Ledger: 0 }, wrong: [], statuses: new Map() }
  const { App, API, Ledger } = mesh.apps
  const toApi = { host: hosts.API, outbound: mesh.sidecars.App.outbound }
  const toLedger = { host: hosts.Ledger, outbound: mesh.sidecars.API.outbound }
  copying(App, names, toApi, (request) => check(tally, 'App', request))
  copying(API, names, toLedger, (request) => check(tally, 'API', request))
  copying(Ledger, names, undefined, (request) => check(tally, 'Ledger', request))
  return tally
}

/** All users at once, each with one request under way, until `requests` were made. */
async function load(t: TestContext, names: readonly string[], requests: number): Promise<Tally> {
  const mesh = await startMesh(t)
  const tally = wire(mesh, names)
  const agent = new Agent({ keepAlive: true, maxSockets: users })
  t.after(() => agent.destroy())
  let left = requests
  const one = async (i: number) => {
    const user = `user${i}`
    let token = ''
    for (let made = 0; left-- > 0; made++) {
      if (made % requestsPerToken === 0) token = await mesh.pomerium.assertion(user, hosts.App)
      const headers = [assertionName, token]
      const answer = await send({ port: mesh.sidecars.App.inbound, target: `/${user}/x`, headers, agent })
      tally.statuses.set(answer.status, (tally.statuses.get(answer.status) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: users }, (_, i) => one(i)))
  return tally
}

test('5,000 requests of services that copy both headers: each arrives with its own user, all the way', async (t) => {
  const tally = await load(t, [assertionName, forName], 5_000)
  assert.deepEqual(tally.wrong, [])
  assert.deepEqual(tally.right, { App: 5_000, API: 5_000, Ledger: 5_000 })
  assert.deepEqual([...tally.statuses], [[200, 5_000]])
})

test('1,000 requests of services that copy their own assertion alone: carried where it names the user, else refused', async (t) => {
  const tally = await load(t, [assertionName], 1_000)
  assert.deepEqual(tally.wrong, [])
  assert.deepEqual(tally.right, { App: 1_000, API: 1_000, Ledger: 0 })
  assert.deepEqual([...tally.statuses], [[403, 1_000]])
})

test('with an index in which the last request wins, these checks find the mix-up', async (t) => {
  const whole = Object.getOwnPropertyDescriptors(Sessions.prototype)
  t.after(() => Object.defineProperties(Sessions.prototype, whole))
  const last = new WeakMap<Sessions, Session>()
  Object.assign(Sessions.prototype, {
    keep(this: Sessions, ...identity: Parameters<Sessions['keep']>): KeptSession {
      const kept = whole.keep.value?.apply(this, identity) as KeptSession
      const session = this.byHandle(kept.handle)
      if (session !== undefined) last.set(this, session)
      return kept
    },
    byAssertion(this: Sessions): AssertionSessions | undefined {
      const sample = last.get(this)
      return sample && { sample, carriesUsers: false }
    },
    byUserToken(this: Sessions): readonly Session[] {
      const session = last.get(this)
      return session === undefined ? [] : [session]
    },
  })
  const tally = await load(t, [assertionName], 500)
  assert.notEqual(tally.wrong.length, 0)
})
