// What tests of sidecars that share a Redis have in common.
import { rawValues } from '../support/app.ts'
import { send, type Answer } from '../support/client.ts'
import { hosts, type RunningSidecar, type TestMesh } from '../support/mesh.ts'
import type { RedisServer } from '../support/redis.ts'

export const assertionName = 'X-Pomerium-Jwt-Assertion'
export const forName = 'X-Pomerium-Jwt-Assertion-For'

/** Settings of the mesh file. */
export const sharing = (redis: RedisServer) => ({
  store: { redis: { url: `redis://127.0.0.1:${redis.port}` } },
  timeouts: { linger: '60s', drain: '5s' },
})

/** Key names as the store writes them. */
export const keyName = (name: string): string => `{onbehalf}:${name}`

/** A user comes in at App; what App got is answered. */
export async function comeIn(
  mesh: TestMesh,
  user = 'alice',
  app: RunningSidecar = mesh.sidecars.App,
): Promise<{ handle: string; token: string }> {
  const token = await mesh.pomerium.assertion(user, hosts.App)
  const before = mesh.apps.App.received.length
  const answer = await send({ port: app.inbound, headers: [assertionName, token] })
  if (answer.status !== 200) throw new Error(`not let in: ${answer.status} ${answer.code}`)
  const handle = rawValues(mesh.apps.App.received[before], 'x-onbehalf-handle')[0] as string
  return { handle, token }
}

/** App calls API on behalf of whom a handle names. */
export function callApi(
  mesh: TestMesh,
  handle: string,
  more: { readonly app?: RunningSidecar; readonly method?: string; readonly body?: string } = {},
): Promise<Answer> {
  const { app = mesh.sidecars.App, ...sent } = more
  return send({ port: app.outbound, host: hosts.API, headers: ['x-onbehalf-handle', handle], ...sent })
}

/** The JOSE header of a token. */
export function headerOf(token: string | undefined): Record<string, unknown> {
  return JSON.parse(Buffer.from((token ?? '').split('.')[0] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >
}

/** The caller's assertion with which API's app was called last. */
export function lastAssertion(mesh: TestMesh): string {
  return rawValues(mesh.apps.API.received.at(-1), assertionName)[0] as string
}

/** A sample of `/metrics`, by its name and labels as written there; undefined: it is not there. */
export async function metric(sidecar: RunningSidecar, sample: string): Promise<number | undefined> {
  const { body } = await send({ port: sidecar.probes, target: '/metrics' })
  const line = body.split('\n').find((each) => each.startsWith(`${sample} `))
  return line === undefined ? undefined : Number(line.slice(sample.length + 1))
}

/** Waits until it is so. */
export async function eventually(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const untilMs = Date.now() + 20_000
  while (!(await isSo())) {
    if (Date.now() > untilMs) throw new Error(`never so: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export interface Load {
  /** How often each outcome came. */
  end(): Promise<ReadonlyMap<string, number>>
}

/** Eight clients that ask again and again, until they are told to end. */
export function startLoad(ask: () => Promise<string>): Load {
  const outcomes = new Map<string, number>()
  const state = { isOver: false }
  const client = async () => {
    while (!state.isOver) {
      const outcome = await ask()
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
  }
  const clients = Array.from({ length: 8 }, client)
  return {
    async end() {
      state.isOver = true
      await Promise.all(clients)
      return outcomes
    },
  }
}
