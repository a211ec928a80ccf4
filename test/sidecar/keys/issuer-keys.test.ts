// An issuer's keys: fetched once for all who wait, not too often, and kept when a fetch fails.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock, test, type TestContext } from 'node:test'
import type { Issuer } from '../../../shared/config/mesh.ts'
import type { IssuerKeys } from '../../../shared/trust.ts'
import {
  absenceMs,
  floodedAfter,
  floodedMs,
  freshMs,
  IssuerKeySource,
  maxStaleMs,
} from '../../../sidecar/keys/issuer-keys.ts'
import { documentRefreshMs, KeySharing } from '../../../sidecar/keys/key-sharing.ts'
import { createMemoryStore } from '../../../sidecar/store/memory.ts'
import type { Store } from '../../../sidecar/store/store.ts'
import { clockMs } from '../../support/certificates.ts'
import { issuerOf, makeSigner } from '../../support/tokens.ts'

const [first, second, third] = [makeSigner(), makeSigner(), makeSigner()]
const documentOf = (...signers: readonly { jwk: unknown }[]) =>
  JSON.stringify({ keys: signers.map(({ jwk }) => jwk) })

interface Served {
  /** What the issuer answers; a function answers by itself, or does not. */
  answer: string | number | ((response: ServerResponse) => void)
  maxAge: string | undefined
  asked: number
}

async function serve(t: TestContext): Promise<{ url: string; served: Served }> {
  const served: Served = { answer: documentOf(first), maxAge: undefined, asked: 0 }
  const server = createServer((_, response) => {
    served.asked++
    if (served.maxAge !== undefined) response.setHeader('Cache-Control', served.maxAge)
    if (typeof served.answer === 'function') served.answer(response)
    else if (typeof served.answer === 'number') response.writeHead(served.answer).end()
    else response.end(served.answer)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, served }
}

function sourceOf(t: TestContext, jwks: Issuer['jwks'], sharing?: KeySharing) {
  const clock = { ms: clockMs }
  const accepted: IssuerKeys[] = []
  const failures: unknown[] = []
  const issuer = issuerOf({ jwks })
  const source = new IssuerKeySource({
    issuer,
    ca: undefined,
    now: () => clock.ms,
    onKeys: (keys) => accepted.push(keys),
    onFailure: (_, error) => failures.push(error),
    sharing,
  })
  t.after(() => source.close())
  return { source, clock, accepted, failures, issuer }
}

async function scene(t: TestContext) {
  const { url, served } = await serve(t)
  return { served, ...sourceOf(t, { kind: 'url', url }) }
}

const keyIds = (source: IssuerKeySource) => [...(source.current?.keys.byId.keys() ?? [])]

test('before it starts there are no keys', async (t) => {
  const { source, served } = await scene(t)
  assert.equal(source.current, undefined)
  assert.equal(served.asked, 0)
})

test('the keys are loaded at the start, and usable for a day from when they were asked for', async (t) => {
  const { source, accepted, issuer } = await scene(t)
  await source.start()
  assert.deepEqual(keyIds(source), [first.kid])
  assert.equal(source.current?.usableUntilMs, clockMs + maxStaleMs)
  assert.equal(source.current?.issuer, issuer)
  assert.deepEqual(accepted, [source.current])
})

test('a start that fails is told, and nothing is accepted', async (t) => {
  const { source, served, accepted, failures } = await scene(t)
  served.answer = 503
  await source.start()
  assert.deepEqual([source.current, accepted, failures.length], [undefined, [], 1])
})

for (const answer of ['<html>', '{}', '[]', '', '{"keys":"x"}']) {
  test(`a document ${JSON.stringify(answer)} is a failure`, async (t) => {
    const { source, served, failures } = await scene(t)
    served.answer = answer
    await source.start()
    assert.deepEqual([source.current, failures.length], [undefined, 1])
  })
}

test('a refetch finds a new key', async (t) => {
  const { source, served, clock } = await scene(t)
  await source.start()
  clock.ms += freshMs
  served.answer = documentOf(first, second)
  assert.equal(await source.refetch(), 'found')
  assert.deepEqual(keyIds(source), [first.kid, second.kid])
})

test('a key that is no longer published is no longer used', async (t) => {
  const { source, served, clock } = await scene(t)
  await source.start()
  clock.ms += freshMs
  served.answer = documentOf(second)
  await source.refetch()
  assert.deepEqual(keyIds(source), [second.kid])
})

test('an issuer that publishes null has no keys from then on', async (t) => {
  const { source, served, clock } = await scene(t)
  await source.start()
  clock.ms += freshMs
  served.answer = '{"keys":null}'
  assert.equal(await source.refetch(), 'found')
  assert.deepEqual(keyIds(source), [])
})

test('who asks at the same time shares one fetch', async (t) => {
  const { source, served, clock } = await scene(t)
  await source.start()
  clock.ms += freshMs
  served.answer = documentOf(first, second)
  const results = await Promise.all(Array.from({ length: 50 }, () => source.refetch(second.kid)))
  assert.deepEqual(new Set(results), new Set(['found']))
  assert.equal(served.asked, 2)
})

test('who asks while the first load is under way waits for that', async (t) => {
  const { source, served } = await scene(t)
  const starting = source.start()
  assert.equal(await source.refetch(first.kid), 'found')
  await starting
  assert.equal(served.asked, 1)
})

test('right after a fetch that found nothing a key is unknown without another, to the millisecond', async (t) => {
  const { source, served, clock } = await scene(t)
  await source.start()
  assert.equal(await source.refetch('a'), 'found')
  clock.ms += freshMs - 1
  for (let i = 0; i < 100; i++) assert.equal(await source.refetch(`b${i}`), 'unknown')
  assert.equal(served.asked, 2)
  clock.ms += 1
  assert.equal(await source.refetch('c'), 'found')
  assert.equal(served.asked, 3)
})

test('right after a fetch that found a key the next one is waited for, and shared', async (t) => {
  const { source, served, clock } = await scene(t)
  await source.start()
  served.answer = documentOf(first, second)
  assert.equal(await source.refetch(second.kid), 'found')
  served.answer = documentOf(first, second, third)
  clock.ms += freshMs - 5
  const answers = await Promise.all(['a', third.kid, 'b'].map((keyId) => source.refetch(keyId)))
  assert.deepEqual([new Set(answers), served.asked], [new Set(['found']), 3])
  assert.deepEqual(keyIds(source), [first.kid, second.kid, third.kid])
})

test('a refresh in the background is no reason to think that a key is unknown', async (t) => {
  const { source, served } = await scene(t)
  await source.start()
  served.answer = documentOf(first, second)
  assert.equal(await source.refetch(second.kid), 'found')
  assert.deepEqual(keyIds(source), [first.kid, second.kid])
})

test('a kid that was not published is unknown for a while without a fetch, whatever else is asked for', async (t) => {
  const { source, served, clock } = await scene(t)
  await source.start()
  await source.refetch('absent')
  clock.ms += absenceMs - 1
  assert.equal(await source.refetch('absent'), 'unknown')
  assert.equal(served.asked, 2)
  clock.ms += 1
  served.answer = documentOf(first, second)
  assert.equal(await source.refetch('absent'), 'found')
  assert.equal(served.asked, 3)
})

test('who makes keys up makes us ask ever less often, until a key is found', async (t) => {
  const { source, served, clock } = await scene(t)
  await source.start()
  for (let i = 0; i < 3 * floodedAfter; i++) {
    await source.refetch(`${i}`)
    clock.ms += freshMs
  }
  const flooded = Math.floor((2 * floodedAfter * freshMs) / floodedMs)
  assert.equal(served.asked, 1 + floodedAfter + flooded)
  clock.ms += floodedMs
  served.answer = documentOf(first, second)
  assert.equal(await source.refetch(second.kid), 'found')
  clock.ms += freshMs
  await source.refetch('one more')
  assert.equal(served.asked, 3 + floodedAfter + flooded)
})

test('who asks for a key while an older fetch is under way is not told that it is unknown by that', async (t) => {
  const { source, served } = await scene(t)
  const held = Promise.withResolvers<ServerResponse>()
  served.answer = (response) => held.resolve(response)
  const starting = source.start()
  const response = await held.promise
  const waiting = source.refetch(second.kid)
  served.answer = documentOf(first, second)
  response.end(documentOf(first))
  await starting
  assert.equal(await waiting, 'found')
  assert.deepEqual(keyIds(source), [first.kid, second.kid])
})

test('a clock that was set back does not keep it from asking', async (t) => {
  const { source, clock } = await scene(t)
  await source.start()
  clock.ms -= 3_600_000
  assert.equal(await source.refetch(), 'found')
})

test('right after a fetch that failed nothing is unknown: it cannot be known', async (t) => {
  const { source, served, clock } = await scene(t)
  await source.start()
  clock.ms += freshMs
  served.answer = 500
  assert.equal(await source.refetch(), 'unavailable')
  assert.equal(await source.refetch(), 'unavailable')
  assert.equal(served.asked, 2)
  clock.ms += freshMs
  served.answer = documentOf(second)
  assert.equal(await source.refetch(), 'found')
})

test('a failure keeps the keys, and does not make them usable for longer', async (t) => {
  const { source, served, clock, accepted, failures } = await scene(t)
  await source.start()
  const before = source.current
  for (const answer of [500, '<html>', (response: ServerResponse) => response.destroy()] as const) {
    clock.ms += freshMs
    served.answer = answer
    assert.equal(await source.refetch(), 'unavailable')
    assert.equal(source.current, before)
  }
  assert.equal(failures.length, 3)
  assert.equal(accepted.length, 1)
})

test('equal keys are confirmed: the same set, usable for longer', async (t) => {
  const { source, clock, accepted } = await scene(t)
  await source.start()
  const keys = source.current?.keys
  clock.ms += freshMs
  await source.refetch()
  assert.equal(source.current?.keys, keys)
  assert.equal(source.current?.usableUntilMs, clockMs + freshMs + maxStaleMs)
  assert.equal(accepted.length, 2)
})

test('keys count from when they were asked for, not from when they came', async (t) => {
  const { source, served, clock } = await scene(t)
  served.answer = (response) => {
    clock.ms += 4_000
    response.end(documentOf(first))
  }
  await source.start()
  assert.equal(source.current?.usableUntilMs, clockMs + maxStaleMs)
})

test('what comes after it was closed is not accepted, and no failure either', async (t) => {
  const { source, served, accepted, failures } = await scene(t)
  const asked = Promise.withResolvers<void>()
  served.answer = () => asked.resolve()
  const starting = source.start()
  await asked.promise
  await source.close()
  await starting
  assert.deepEqual([source.current, accepted, failures], [undefined, [], []])
})

// When it asks by itself.

const isOurs = (callback: unknown) => String(callback).includes('#refresh')

/** The delays of the timers that were set, but for those of others. */
function watchTimers(t: TestContext): () => number[] {
  const random = mock.method(Math, 'random', () => 1)
  const timers = mock.method(globalThis, 'setTimeout')
  t.after(() => {
    random.mock.restore()
    timers.mock.restore()
  })
  return () =>
    timers.mock.calls
      .filter(({ arguments: [callback] }) => isOurs(callback))
      .map(({ arguments: [, delayMs] }) => Math.round(Number(delayMs)))
}

const refreshes: readonly (readonly [maxAge: string | undefined, delayMs: number])[] = [
  [undefined, 300_000],
  ['max-age=60', 60_000],
  ['max-age=600', 600_000],
  ['max-age=0', 60_000],
  ['max-age=86400', 3_600_000],
]
for (const [maxAge, delayMs] of refreshes) {
  test(`with ${maxAge ?? 'no age'} the keys are refreshed after ${delayMs / 1000} s`, async (t) => {
    const { source, served } = await scene(t)
    served.maxAge = maxAge
    const delays = watchTimers(t)
    await source.start()
    assert.deepEqual(delays(), [delayMs])
  })
}

test('a failing issuer is asked again ever more slowly, up to every 30 s, and after a success as usual', async (t) => {
  const { source, served, clock } = await scene(t)
  const delays = watchTimers(t)
  served.answer = 500
  await source.start()
  for (let i = 0; i < 8; i++) {
    clock.ms += floodedMs
    await source.refetch()
  }
  assert.deepEqual(delays(), [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
  served.answer = documentOf(first)
  clock.ms += freshMs
  await source.refetch()
  assert.equal(delays().at(-1), 300_000)
})

test('sidecars that started together do not ask together', async (t) => {
  const { source } = await scene(t)
  const delays = watchTimers(t)
  mock.method(Math, 'random', () => 0)
  await source.start()
  assert.deepEqual(delays(), [270_000])
})

// Files.

async function keyFile(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-keys-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'jwks.json')
  await writeFile(file, documentOf(first))
  return file
}

test('keys may come from a file, which is looked at twice a second', async (t) => {
  const file = await keyFile(t)
  const { source } = sourceOf(t, { kind: 'file', file })
  const delays = watchTimers(t)
  await source.start()
  assert.deepEqual(keyIds(source), [first.kid])
  assert.deepEqual(delays(), [500])
})

test('a file that is gone is a failure that keeps the keys', async (t) => {
  const file = await keyFile(t)
  const { source, clock, failures } = sourceOf(t, { kind: 'file', file })
  await source.start()
  await rm(file)
  clock.ms += freshMs
  assert.equal(await source.refetch(), 'unavailable')
  assert.deepEqual(keyIds(source), [first.kid])
  assert.equal(failures.length, 1)
})

const mute = () => new Promise<never>(() => undefined)

/** By way of a store that takes every question, and answers none. */
function muteSharing(url: string): KeySharing {
  const store: Store = { ...createMemoryStore(() => clockMs), set: mute, lease: mute, publish: mute }
  const seal = { trustsSomeone: false, sign: () => 'signed', verify: () => undefined }
  return new KeySharing({ store, url, seal, now: () => clockMs })
}

test('where documents are shared the keys are fetched again before the document in the store has ended', async (t) => {
  const { url, served } = await serve(t)
  served.maxAge = 'max-age=86400'
  const seal = { trustsSomeone: true, sign: () => 'signed', verify: () => undefined }
  const sharing = new KeySharing({ store: createMemoryStore(() => clockMs), url, seal, now: () => clockMs })
  const { source } = sourceOf(t, { kind: 'url', url }, sharing)
  const delays = watchTimers(t)
  await source.start()
  assert.deepEqual(delays(), [documentRefreshMs])
})

test('a request waits for its turn no longer than it may for the store, nor for what is told to others', async (t) => {
  const { url, served } = await serve(t)
  const { source, clock } = sourceOf(t, { kind: 'url', url }, muteSharing(url))
  assert.equal(await source.refetch(first.kid), 'found')
  served.answer = documentOf(first, second)
  clock.ms += freshMs
  assert.equal(await source.refetch(second.kid), 'found')
  assert.deepEqual(keyIds(source), [first.kid, second.kid])
})
