// What the page makes of decisions and keys before it shows them: chains, names, links, filters, ages, words.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyLines } from '../../sidecar/admin/page/key-rows.ts'
import { callsOf, causesOf } from '../../sidecar/admin/page/links.ts'
import { chainOf, fromOf, servicesByAccount, toOf } from '../../sidecar/admin/page/people.ts'
import { pauseAfter } from '../../sidecar/admin/page/pauses.ts'
import type { KeyRow } from '../../sidecar/admin/page/protocol.ts'
import { isWanted, maxRecent, withDecision } from '../../sidecar/admin/page/recent.ts'
import { EventReader } from '../../sidecar/admin/page/sse.ts'
import { bytes, duration, perSecond, plain, shellWord, span } from '../../sidecar/admin/page/words.ts'
import { alice, makeDecision, makeMesh, makeState, makeWay } from './made.ts'

const services = servicesByAccount(makeMesh(0))
const [atApp, toApi, atApi, toLedger, atLedger] = makeWay()
assert.ok(atApp && toApi && atApi && toLedger && atLedger)

const names = (decision: ReturnType<typeof makeDecision>) =>
  chainOf(decision, services).map(({ name }) => name)

test('the chain runs from the user by way of the accounts passed to here, the caller once', () => {
  assert.deepEqual(names(atApp), ['alice', 'App'])
  assert.deepEqual(names(atApi), ['alice', 'App', 'API'])
  assert.deepEqual(names(atLedger), ['alice', 'App', 'API', 'Ledger'])
})

test('the chain of a call goes on to whom it calls', () => {
  assert.deepEqual(names(toLedger), ['alice', 'App', 'API', 'Ledger'])
  assert.equal(chainOf(toLedger, services).at(-2)?.role, 'this service')
})

test('an account of a service that says nothing keeps its own name', () => {
  assert.deepEqual(
    chainOf(atLedger, new Map()).map(({ name }) => name),
    ['alice', 'api-access', 'ledger-access', 'Ledger'],
  )
})

test('a caller who comes without evidence is in the chain all the same', () => {
  const caller = { issuer: 'mesh', subject: 'api-access', kind: 'service_account' } as const
  assert.deepEqual(names(makeDecision({ service: 'API', caller })), ['App', 'API'])
})

test('nobody, the unverified and the unknown are not taken for each other', () => {
  assert.equal(fromOf(makeDecision(), services), 'nobody')
  assert.equal(
    fromOf(makeDecision({ outcome: 'refused', code: 'assertion_missing' }), services),
    'unverified',
  )
  assert.equal(fromOf(makeDecision({ caller: { ...alice, kind: 'anonymous' } }), services), 'nobody')
  assert.equal(toOf(makeDecision({ direction: 'outbound', route: undefined, host: '' })), 'unknown')
})

test('a call leads to the request that caused it, and that to its calls', () => {
  const all = [atLedger, toLedger, atApi, toApi, atApp]
  assert.deepEqual(causesOf(toApi, all), [{ requestId: atApp.requestId, decision: atApp }])
  assert.deepEqual(callsOf(atApp, all), [toApi])
  assert.deepEqual(callsOf(atApi, all), [toLedger])
  assert.deepEqual(callsOf(toApi, all), [])
})

test('a cause that is not in the list is named, and not made up', () => {
  assert.deepEqual(causesOf(toApi, [toApi]), [{ requestId: atApp.requestId, decision: undefined }])
  // Of another service the same id is another request.
  const other = { ...atApp, service: 'API' }
  assert.equal(causesOf(toApi, [other])[0]?.decision, undefined)
  assert.deepEqual(callsOf(other, [toApi]), [])
})

test('the last 200 decisions are kept, newest first, each once', () => {
  const many = Array.from({ length: maxRecent + 5 }, () => makeDecision())
  const kept = many.reduce(withDecision, [] as readonly ReturnType<typeof makeDecision>[])
  assert.equal(kept.length, 200)
  assert.equal(kept[0], many.at(-1))
  assert.equal(withDecision(kept, { ...(many.at(-1) as (typeof many)[number]) }), kept)
})

test('a decision that comes late is put where it belongs', () => {
  const [first, second, third] = [makeDecision(), makeDecision(), makeDecision()]
  assert.deepEqual([first, third, second].reduce(withDecision, [] as (typeof first)[]), [
    third,
    second,
    first,
  ])
})

test('a filter looks for every word, anywhere, and refused only leaves the rest out', () => {
  const wants = (text: string, refusedOnly = false) =>
    [atApp, toApi, atApi, toLedger, atLedger].filter((each) =>
      isWanted(each, [fromOf(each, services), toOf(each)], { text, refusedOnly }),
    ).length
  assert.equal(wants(''), 5)
  assert.equal(wants('  ALICE ledger '), 2)
  assert.equal(wants('policy_denied'), 1)
  assert.equal(wants(atApi.requestId), 1)
  assert.equal(wants('nothing of that kind'), 0)
  assert.equal(wants('', true), 1)
})

const nowMs = Date.UTC(2026, 0, 15, 12)
const hourMs = 3_600_000

function lineOf(row: Partial<KeyRow>) {
  const key: KeyRow = {
    kind: 'account',
    of: 'api-access',
    id: 'k1',
    usableUntil: new Date(nowMs + 100 * hourMs).toISOString(),
    since: undefined,
    revoked: false,
    ...row,
  }
  return keyLines([makeState('App', 0, { keys: [key] })], nowMs)[0]
}

const until = (ms: number) => ({ usableUntil: new Date(nowMs + ms).toISOString() })

test('what ends in less than a day is soon, in words', () => {
  assert.equal(lineOf(until(100 * hourMs))?.words, 'ends in 4 days')
  assert.equal(lineOf(until(23 * hourMs))?.words, 'soon: ends in 23 h')
  assert.equal(lineOf(until(-3 * hourMs))?.words, 'ended 3 h ago')
  assert.equal(lineOf({ usableUntil: undefined })?.words, 'without an end')
  assert.equal(lineOf({ revoked: true })?.words, 'revoked: counts for nothing')
})

test('keys that are fetched every few minutes are soon only when that stopped', () => {
  const fetched = (ageMs: number) => ({
    kind: 'issuer' as const,
    since: new Date(nowMs - ageMs).toISOString(),
    usableUntil: new Date(nowMs - ageMs + 24 * hourMs).toISOString(),
  })
  assert.deepEqual(
    [lineOf(fetched(hourMs))?.state, lineOf(fetched(hourMs))?.age],
    ['good', 'fetched 60 min ago'],
  )
  assert.equal(lineOf(fetched(19 * hourMs))?.state, 'soon')
})

test('a key that several services know is one line, as bad as the worst of them', () => {
  const key = (ms: number): KeyRow => ({
    kind: 'root',
    of: 'mesh',
    id: 'r1',
    usableUntil: new Date(nowMs + ms).toISOString(),
    since: undefined,
    revoked: false,
  })
  const states = [
    makeState('App', 0, { keys: [key(900 * hourMs)] }),
    makeState('API', 0, { keys: [{ ...key(2 * hourMs) }] }),
  ]
  const lines = keyLines(states, nowMs)
  assert.deepEqual(
    lines.map(({ state, services: known }) => [state, known]),
    [['soon', ['App', 'API']]],
  )
})

test('events are read whatever way they are cut', () => {
  const text =
    ': here\r\n\r\nevent: state\r\ndata: {"a":\r\ndata: 1}\r\n\r\ndata:x\n\nevent: empty\n\n: more\ndata: y\r\r'
  const whole = new EventReader().read(`${text}\n`)
  const reader = new EventReader()
  const pieces = Array.from(`${text}\n`).flatMap((character) => reader.read(character))
  const expected = [
    { name: 'state', data: '{"a":\n1}' },
    { name: 'message', data: 'x' },
    { name: 'message', data: 'y' },
  ]
  assert.deepEqual(whole, expected)
  assert.deepEqual(pieces, expected)
})

test('each pause is longer than the one before, up to five seconds', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 2_000].map(pauseAfter), [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000])
})

test('numbers are as long as people need them', () => {
  assert.deepEqual([0, 0.04, 0.36, 9.96, 12.4, 1_234].map(perSecond), [
    '0/s',
    'under 0.1/s',
    '0.4/s',
    '10/s',
    '12/s',
    '1234/s',
  ])
  assert.deepEqual([undefined, 0.0042, 0.0118, 0.999, 1.52].map(duration), [
    '–',
    '4.2 ms',
    '12 ms',
    '999 ms',
    '1.5 s',
  ])
  assert.deepEqual([95_000, 180_000, 26 * hourMs, 300 * hourMs].map(span), [
    '95 s',
    '3 min',
    '26 h',
    '12 days',
  ])
  assert.deepEqual([12, 19_600, 5_000_000].map(bytes), ['12 B', '19.1 KiB', '4.8 MiB'])
})

test('what hides or turns writing is written out, lines stay', () => {
  assert.equal(plain('a\u202eb\u200bc\u0007d\ne\u{e0041}'), 'a\\u202eb\\u200bc\\u0007d\ne\\u{e0041}')
  assert.equal(plain('Zoë 漢字 <b>'), 'Zoë 漢字 <b>')
})

test('a shell takes what is copied as one word', () => {
  assert.equal(shellWord('App'), 'App')
  assert.equal(shellWord("it's; rm"), `'it'\\''s; rm'`)
})
