// What stands in the store, where anybody can write: it counts as it was written by who could, or not at all.
import assert from 'node:assert/strict'
import { digestOf, messageOf, parseMessage } from '../../shared/revocation.ts'
import { openSession, sealSession } from '../../sidecar/session-seal.ts'
import { formatScore, readScan, readValue } from '../../sidecar/store/redis-replies.ts'
import { RedisFault } from '../../sidecar/store/redis-fault.ts'
import { fuzz, type Chance } from './fuzz.ts'
import { mutated } from './mutation.ts'

const handle = 'abcd0123456789ABCDEFGHIJKL'
const text = '{"session":{"requestId":"r","kind":"own","isEntry":true,"sinceMs":1}}'
const sealed = sealSession(handle, 'App', text)
const digest = digestOf('kid', '', 'a key')
const messages = [1, 1_780_000_000].flatMap((revokedAtSeconds) =>
  [2, 1_790_000_000, Infinity].map((forgetAtSeconds) =>
    messageOf({ digest, revokedAtSeconds, forgetAtSeconds }),
  ),
)
const pieces = [...'-_+/=. 0189AZaz\n\0é'.split(''), 'inf', '  ', '1e3', '0x1']

fuzz('store-values', { cases: 20_000, atLeast: { outcome: 'a revocation', oneIn: 8 } }, (chance) => {
  switch (chance(3)) {
    case 0:
      return revocation(mutated(messages[chance(messages.length)] as string, pieces, chance))
    case 1:
      return session(mutated(sealed, pieces, chance))
    default:
      return reply(anyReply(chance, 3))
  }
})

/** There is one way to write each. */
function revocation(message: string): string {
  const entry = parseMessage(message)
  if (entry === undefined) return 'no revocation'
  assert.equal(messageOf(entry), message)
  return 'a revocation'
}

/** Base64 may be spelled otherwise; what it holds may not. */
function session(words: string): string {
  const opened = openSession(handle, 'App', words)
  if (opened === undefined) return 'no session'
  assert.equal(opened, text)
  return 'a session'
}

const scalars = [null, '', '0', 'a', 'inf', '-inf', 'nan', '1e400', '17', 0, 1.5, -1, true]

function anyReply(chance: Chance, depth: number): unknown {
  if (depth === 0 || chance(3) === 0) return scalars[chance(scalars.length)]
  const members = () => Array.from({ length: chance(6) }, () => anyReply(chance, depth - 1))
  return chance(2) === 0 ? ['17', members()] : members()
}

function reply(given: unknown): string {
  const scan = orFault(() => readScan(given))
  const value = orFault(() => readValue(given))
  if (value !== undefined) assert.equal(value, given)
  for (const [member, score] of scan?.members ?? []) {
    assert.equal(typeof member, 'string')
    assert.equal(readScan(['0', [member, formatScore(score).replace('+', '')]]).members[0]?.[1], score)
  }
  return scan === undefined && value === undefined ? 'no answer' : 'an answer'
}

function orFault<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof RedisFault) return undefined
    throw error
  }
}
