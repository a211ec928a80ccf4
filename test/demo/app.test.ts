// The demo's app as a process of its own: what it says about a request, and what it passes on.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { test } from 'node:test'
import type { AppAnswer } from '../../deploy/demo/app.ts'
import { exchange } from '../../deploy/demo/exchange.ts'
import { freePorts } from '../../deploy/demo/ports.ts'
import { waitUntilListening } from '../../deploy/demo/ready.ts'
import { startPomerium } from '../../deploy/demo/pomerium.ts'
import { echo, startUpstream, users, type Echo } from './echo.ts'

const script = path.resolve(import.meta.dirname, '../../deploy/demo/app.ts')

async function startApp(environment: Record<string, string>) {
  const [port = 0] = await freePorts(1)
  const env = { ...process.env, NAME: 'App', PORT: String(port), ...environment }
  const child = spawn(process.execPath, [script], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const hasEnded = () => child.exitCode !== null
  await waitUntilListening({ name: 'app', logFile: '/dev/null', hasEnded }, port)
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM')
      if (!hasEnded()) await once(child, 'exit')
    },
  }
}

async function ask(port: number, headers: readonly (readonly [string, string])[] = []): Promise<AppAnswer> {
  return JSON.parse(
    (await exchange({ port, target: '/hello', headers: [['Host', 'app'], ...headers] })).body,
  ) as AppAnswer
}

async function aliceToken(): Promise<string> {
  const pomerium = await startPomerium({ users })
  const token = await pomerium.assertion('alice', 'app.localhost.pomerium.io')
  await pomerium.close()
  return token
}

test('an app says who calls it, and that a user calls on the user’s own behalf', async () => {
  await using app = await startApp({})
  const email = ['X-Pomerium-Authenticated-User-Email', 'alice@companydomain.com'] as const
  assert.deepEqual(await ask(app.port, [['X-Pomerium-Jwt-Assertion', await aliceToken()], email]), {
    service: 'App',
    path: '/hello',
    calledBy: 'google/1234',
    onBehalfOf: 'alice@companydomain.com',
    chain: '',
  })
})

test('an app names the original user where a service account calls', async () => {
  await using app = await startApp({})
  const answer = await ask(app.port, [
    ['X-Pomerium-Authenticated-User-Email', ''],
    ['X-Pomerium-Original-User-Email', 'alice@companydomain.com'],
  ])
  assert.equal(answer.onBehalfOf, 'alice@companydomain.com')
})

test('an app names the services passed, as evidence shows them', async () => {
  await using app = await startApp({})
  const { chain } = await ask(app.port, [['x-onbehalf-chain', 'api-access, ledger-access']])
  assert.equal(chain, 'api-access, ledger-access')
})

test('an app that is told nothing says nobody', async () => {
  await using app = await startApp({})
  const { calledBy, onBehalfOf } = await ask(app.port)
  assert.deepEqual([calledBy, onBehalfOf], ['', ''])
})

test('an app that is asked to says what its assertion is like', async () => {
  await using app = await startApp({ TELL_ASSERTION: '1' })
  const token = await aliceToken()
  const { assertion } = await ask(app.port, [['X-Pomerium-Jwt-Assertion', token]])
  assert.deepEqual(
    { ...assertion, keyId: assertion?.keyId.length },
    { bytes: token.length, keyId: 64, certificates: 0 },
  )
  assert.deepEqual((await ask(app.port)).assertion, { bytes: 0, keyId: '', certificates: 0 })
})

test('an app calls the next service through its proxy, and copies nothing by itself', async () => {
  const proxy = await startUpstream(echo)
  await using app = await startApp({ NEXT: 'http://api.localhost.pomerium.io', HTTP_PROXY: proxy.url })
  const { next } = await ask(app.port, [
    ['X-Pomerium-Jwt-Assertion', await aliceToken()],
    ['X-Pomerium-Jwt-Assertion-For', 'for-alice'],
    ['X-Onbehalf-Handle', 'handle'],
    ['Traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ])
  const { path: target, headers } = next as Echo
  assert.equal(target, 'http://api.localhost.pomerium.io/hello')
  assert.deepEqual(Object.keys(headers).sort(), ['connection', 'host', 'proxy-connection'])
  await proxy.close()
})
