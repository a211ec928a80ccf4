// Forty users at once, each with a handle or with none, and the account of which calls carried whose.
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import type { TestContext } from 'node:test'
import { ask, askGrpc, handleOf, openGrpc, type App } from './app.ts'
import type { Upstream } from './upstream.ts'

export const userCount = 40

/** How many of the calls carried what. */
export interface Account {
  right: number
  wrong: number
  missing: number
}

/** One in five requests does not come through a sidecar. */
const handleFor = (user: number): string | undefined => (user % 5 === 4 ? undefined : handleOf(user))

/**
 * Each user makes the app call twice, by the client that falls to her.
 * @param clients all users by one client, or each by the next in turn.
 */
export async function burst(
  t: TestContext,
  {
    app,
    upstream,
    server,
    clients,
  }: { app: App; upstream: Upstream; server: string; clients: readonly string[] },
): Promise<Account> {
  const port = app.ports[server] ?? 0
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const session = server === 'grpc' ? openGrpc(t, port) : undefined
  const name = `${server}-${clients.length === 1 ? app.clients.indexOf(clients[0] ?? '') : 'mixed'}`
  const users = Array.from({ length: userCount }, (_, user) => user)
  await Promise.all(
    users.map(async (user) => {
      const client = clients[user % clients.length] ?? ''
      const query = new URLSearchParams({ client, id: `${name}-${user}`, burst: name })
      const path = `/?${query.toString()}`
      await (session === undefined
        ? ask({ port, path, handle: handleFor(user), agent })
        : askGrpc(session, path, handleFor(user)))
    }),
  )
  const account: Account = { right: 0, wrong: 0, missing: 0 }
  for (const user of users) {
    for (const call of ['first', 'after']) {
      const carried = upstream.calls.get(`/${name}-${user}/${call}`) ?? []
      assert.equal(carried.length, 1, `${name}: calls of user ${user}`)
      account[verdict(carried[0], handleFor(user))]++
    }
  }
  return account
}

function verdict(carried: string | undefined, expected: string | undefined): keyof Account {
  if (carried === expected) return 'right'
  return carried === undefined ? 'missing' : 'wrong'
}
