// A steady load through three services that share a store: honest users whose answers must come, and attackers whose
// requests must never be let in.
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { forge } from '../../deploy/demo/forge.ts'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import { createAuthority, issueAccount } from '../../sidecar/ca.ts'
import { serviceTag } from '../../sidecar/sessions.ts'
import { send, type Answer } from '../support/client.ts'
import {
  hosts,
  meshIssuer,
  x5cOf,
  type RunningSidecar,
  type ServiceName,
  type TestMesh,
} from '../support/mesh.ts'
import { assertionName, forName } from './ground.ts'

const honestClients = 4
/** Between two requests of each: steady, and no more than the machine has for other tests beside. */
const pauseMs = 20

export interface Outcomes {
  /** Honest requests that were answered with their own user. */
  readonly served: number
  /** Whatever else came to an honest client, with how often. */
  readonly failed: ReadonlyMap<string, number>
  /** Attacks by what they were answered. */
  readonly attacks: ReadonlyMap<string, number>
  /** Attacks that came through. */
  readonly admitted: readonly string[]
}

export interface ChainLoad {
  /** Milliseconds that honest requests took since the last time that this was asked. */
  takeTimes(): number[]
  end(): Promise<Outcomes>
}

/** Each app copies the handle into its call of the next service; Ledger answers for whom it was called. */
export function chainApps(mesh: TestMesh): void {
  mesh.apps.App.handler = relay(mesh, 'App', hosts.API)
  mesh.apps.API.handler = relay(mesh, 'API', hosts.Ledger)
  mesh.apps.Ledger.handler = (request, response) => {
    response.end(one(request, 'x-pomerium-original-user-id'))
  }
}

function relay(mesh: TestMesh, service: ServiceName, host: string): TestMesh['apps']['App']['handler'] {
  return async (request, response) => {
    const port = mesh.sidecars[service].outbound
    const answer = await send({
      port,
      host,
      headers: ['x-onbehalf-handle', one(request, 'x-onbehalf-handle')],
    })
    response.writeHead(answer.status, { 'x-code': answer.code }).end(answer.body)
  }
}

function one(request: IncomingMessage, name: string): string {
  return String(request.headers[name] ?? '')
}

/** To be called on a mesh whose three services run. */
export async function startChainLoad(mesh: TestMesh): Promise<ChainLoad> {
  chainApps(mesh)
  const failed = new Map<string, number>()
  const attacks = new Map<string, number>()
  const admitted: string[] = []
  const state = { served: 0, isOver: false }
  let times: number[] = []
  const attackList = await makeAttacks(mesh)

  async function honest(client: number): Promise<void> {
    for (let i = 0; !state.isOver; i++) {
      const user = `user${client * 100 + (i % 100)}`
      const startedMs = performance.now()
      const { status, code, body, headers } = await ask(mesh, user)
      times.push(performance.now() - startedMs)
      if (status === 200 && body === `${user}-id`) state.served++
      else count(failed, `${status} ${code || String(headers['x-code'] ?? '')} ${body.slice(0, 80)}`)
      await pause(pauseMs)
    }
  }

  async function hostile(): Promise<void> {
    for (let i = 0; !state.isOver; i++) {
      const attack = attackList[i % attackList.length] as Attack
      const { status, code } = await attack.make()
      count(attacks, `${attack.name}: ${status} ${code}`)
      if (status === 200 || code === '') admitted.push(`${attack.name}: ${status} ${code}`)
      await pause(pauseMs)
    }
  }

  const clients = [...Array.from({ length: honestClients }, (_, i) => honest(i)), hostile()]
  return {
    takeTimes() {
      const taken = times
      times = []
      return taken
    },
    async end() {
      state.isOver = true
      await Promise.all(clients)
      return { served: state.served, failed, attacks, admitted }
    },
  }
}

async function ask(mesh: TestMesh, user: string): Promise<Answer> {
  const token = await mesh.pomerium.assertion(user, hosts.App)
  return send({ port: mesh.sidecars.App.inbound, headers: [assertionName, token] })
}

interface Attack {
  readonly name: string
  readonly make: () => Promise<Answer>
}

const to = (sidecar: RunningSidecar, headers: readonly string[]) => send({ port: sidecar.inbound, headers })

async function makeAttacks(mesh: TestMesh): Promise<Attack[]> {
  const { App, API } = mesh.sidecars
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const foreign = await foreignAccount()
  const accountToken = (header: Record<string, unknown>) =>
    forge({ header: { alg: 'ES256', typ: 'JWT', ...header }, payload: mintedNow(), key: foreign.key })
  const user = () => mesh.pomerium.assertion('alice', hosts.App)
  return [
    {
      name: 'a user token signed by somebody else',
      make: async () => {
        const header = { alg: 'ES256', kid: mesh.pomerium.signingKey().kid }
        const token = await mesh.pomerium.sign(mesh.pomerium.claims('alice', hosts.App), {
          header,
          key: privateKey,
        })
        return to(App, [assertionName, token])
      },
    },
    {
      name: 'an original user beside a user',
      make: async () => to(App, [assertionName, await user(), forName, await user()]),
    },
    {
      name: 'an account of a foreign CA',
      make: async () =>
        to(API, [assertionName, accountToken({ kid: foreign.kid, x5c: foreign.x5c }), forName, await user()]),
    },
    {
      name: 'an account that nobody knows',
      make: async () => to(API, [assertionName, accountToken({ kid: foreign.kid }), forName, await user()]),
    },
    {
      name: 'a handle that was made up',
      make: () => {
        const headers = ['x-onbehalf-handle', serviceTag('App') + foreign.kid.slice(0, 22)]
        return send({ port: App.outbound, host: hosts.API, headers })
      },
    },
  ]
}

function mintedNow(): Record<string, unknown> {
  const iat = Math.floor(Date.now() / 1000)
  const account = { sub: 'api-access', user: 'api-access', email: '', groups: [], name: '' }
  return { iss: meshIssuer, aud: hosts.API, iat, exp: iat + 60, jti: 'jti', sid: 'sid', ...account }
}

async function foreignAccount() {
  const nowMs = Date.now()
  const ca = await createAuthority({ issuer: meshIssuer, days: 1, nowMs })
  const certified = await issueAccount({
    caPem: ca.certificatePem,
    caKeyPem: ca.keyPem,
    issuer: undefined,
    account: 'api-access',
    dnsNames: [],
    days: 1,
    nowMs,
  })
  const key = createPrivateKey(certified.keyPem)
  return { key, kid: keyThumbprint(createPublicKey(key)), x5c: x5cOf(certified) }
}

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1)
}

/** In ascending order: the value below which so many are. */
export function percentile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
