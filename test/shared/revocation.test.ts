// How revocations are written down between sidecars, and that nothing else is read as one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  digestOf,
  makeEntry,
  memberOf,
  messageOf,
  parseEntry,
  parseMessage,
} from '../../shared/revocation.ts'
import { clockMs } from '../support/certificates.ts'
import { nowS } from '../support/tokens.ts'

const session = { kind: 'session', issuer: 'pomerium', value: 'the session of alice' } as const
const entry = makeEntry(session, 60, clockMs)

test('a message says no session and no issuer, and is read as what was written', () => {
  const message = messageOf(entry)
  assert.match(message, /^[\w-]{43}\.\d+ \d+$/)
  assert.deepEqual(parseMessage(message), entry)
  assert.deepEqual(parseEntry(memberOf(entry), entry.forgetAtSeconds), entry)
})

test('a key is revoked for ever, whatever is said, and is read so', () => {
  const ofKey = makeEntry({ kind: 'kid', value: 'k' }, 60, clockMs)
  assert.equal(ofKey.forgetAtSeconds, Infinity)
  assert.match(messageOf(ofKey), / inf$/)
  assert.deepEqual(parseMessage(messageOf(ofKey)), ofKey)
})

test('a session is forgotten when it is said, and never where it is for ever', () => {
  assert.equal(entry.forgetAtSeconds, nowS + 60)
  assert.equal(makeEntry(session, Infinity, clockMs).forgetAtSeconds, Infinity)
})

test('kind, issuer and value each make another digest', () => {
  const digests = [
    digestOf('session', 'a', 'b'),
    digestOf('subject', 'a', 'b'),
    digestOf('session', 'ab', ''),
    digestOf('session', '', 'ab'),
    digestOf('session', 'a', 'c'),
  ]
  assert.equal(new Set(digests).size, digests.length)
})

const digest = 'A'.repeat(43)
const garbage = [
  '',
  ' ',
  digest,
  `${digest}.1`,
  `${digest}.1 `,
  `${digest}.1 nan`,
  `${digest}.1 1e9`,
  `${digest}.1 0x10`,
  `${digest}.1 -1`,
  `${digest}.1 +inf`,
  `${digest}.1 Infinity`,
  `${digest}.1 1 1`,
  `${digest}.1  1`,
  `${digest}.01 1`,
  `${digest}.-1 1`,
  `${digest}. 1`,
  `${digest}.999999999999 1`,
  `${digest}A.1 1`,
  `${digest.slice(1)}.1 1`,
  `${digest.slice(1)}+.1 1`,
  `${digest}.1 1\n`,
  `${digest}.1 ${'9'.repeat(100)}`,
  'x'.repeat(1_000_000),
]
for (const text of garbage) {
  test(`${JSON.stringify(text.slice(0, 70))} is no message`, () =>
    assert.equal(parseMessage(text), undefined))
}

test('a member with a score that is no time is none', () => {
  for (const score of [Number.NaN, -1, -Infinity]) assert.equal(parseEntry(`${digest}.1`, score), undefined)
})

test('whatever is read, is read again as the same when it is written', () => {
  const anyMessage = fc.oneof(
    fc.string(),
    fc
      .tuple(
        fc.stringMatching(/^[\w-]{42,44}$/),
        fc.stringMatching(/^\d{0,12}$/),
        fc.stringMatching(/^(inf|\d{0,12})$/),
      )
      .map(([head, time, score]) => `${head}.${time} ${score}`),
  )
  fc.assert(
    fc.property(anyMessage, (text) => {
      const read = parseMessage(text)
      if (read !== undefined) assert.equal(messageOf(read), text)
    }),
  )
})
