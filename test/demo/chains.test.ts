// The demo's own check of the chains: it must see another user's answer, a missing hop and no answer at all.
import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import type { AppAnswer } from '../../deploy/demo/app.ts'
import { walkChains } from '../../deploy/demo/chains.ts'
import type { Service, ServiceName, Topology } from '../../deploy/demo/topology.ts'
import { startUpstream } from './echo.ts'

const staff = {
  alice: { sub: 'user-1', email: 'alice@companydomain.com' },
  bob: { sub: 'user-2', email: 'bob@companydomain.com' },
}
type UserName = keyof typeof staff

function service(name: ServiceName, account?: string): Service {
  const host = `${name.toLowerCase()}.localhost.pomerium.io`
  const ports = { appPort: 0, inboundPort: 0, outboundPort: 0, adminPort: 0, probesPort: 0 }
  return { name, host, account, ...ports, adminTokenFile: '' }
}

function topology(pomeriumPort: number): Topology {
  const services = {
    App: service('App', 'api-access'),
    API: service('API', 'ledger-access'),
    Ledger: service('Ledger'),
  }
  return { folder: '', meshFile: '', meshIssuer: '', pomeriumPort, services }
}

function userOf(request: IncomingMessage): UserName {
  return request.headers.cookie === '_pomerium=alice' ? 'alice' : 'bob'
}

/** What a mesh that works answers to this user. */
function answer(user: UserName, path: string): AppAnswer & { next: AppAnswer & { next: AppAnswer } } {
  const { sub, email: onBehalfOf } = staff[user]
  const ledger = {
    service: 'Ledger',
    path,
    calledBy: 'ledger-access',
    onBehalfOf,
    chain: 'api-access, ledger-access',
  }
  const api = { service: 'API', path, calledBy: 'api-access', onBehalfOf, chain: 'api-access', next: ledger }
  return { service: 'App', path, calledBy: sub, onBehalfOf, chain: '', next: api }
}

/** How many requests were right, per user and hop. */
async function walk(serve: (request: IncomingMessage) => unknown): Promise<number[]> {
  const mesh = await startUpstream(async (request) => serve(request))
  const hops = await walkChains(topology(Number(new URL(mesh.url).port)), staff, 3)
  await mesh.close()
  assert.ok(hops.every((hop) => hop.sent === 3))
  assert.ok(hops.every((hop) => (hop.wrongAnswer === undefined) === (hop.right === 3)))
  return hops.map((hop) => hop.right)
}

test('a mesh that works has every request right at every hop', async () => {
  assert.deepEqual(await walk((request) => answer(userOf(request), request.url ?? '')), [3, 3, 3, 3, 3, 3])
})

test('an answer of another user at the last hop is seen', async () => {
  const mixed = await walk((request) => {
    const whole = answer(userOf(request), request.url ?? '')
    return { ...whole, next: { ...whole.next, next: answer('bob', whole.path).next.next } }
  })
  assert.deepEqual(mixed, [3, 3, 0, 3, 3, 3])
})

test('an answer to another request of the same user is seen', async () => {
  assert.deepEqual(await walk((request) => answer(userOf(request), '/orders/alice-0')), [1, 1, 1, 0, 0, 0])
})

test('a way that evidence does not show is seen', async () => {
  const shortened = await walk((request) => {
    const whole = answer(userOf(request), request.url ?? '')
    const { next } = whole.next
    return { ...whole, next: { ...whole.next, next: { ...next, chain: 'ledger-access' } } }
  })
  assert.deepEqual(shortened, [3, 3, 0, 3, 3, 0])
})

test('a call under another account is seen', async () => {
  const other = await walk((request) => {
    const whole = answer(userOf(request), request.url ?? '')
    return { ...whole, next: { ...whole.next, calledBy: 'ledger-access' } }
  })
  assert.deepEqual(other, [3, 0, 3, 3, 0, 3])
})

test('a refusal at the second hop is no answer of that hop or the next', async () => {
  const refused = await walk((request) => ({
    ...answer(userOf(request), request.url ?? ''),
    next: { error: 'policy_denied' },
  }))
  assert.deepEqual(refused, [3, 0, 0, 3, 0, 0])
})

test('a mesh that answers nothing has no request right', async () => {
  assert.deepEqual(await walk(() => Promise.reject(new Error('down'))), [0, 0, 0, 0, 0, 0])
})
