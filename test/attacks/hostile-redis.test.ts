// The attacker is the Redis that sidecars share, answers with what announces more than any memory holds, and wants them dead.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectRedis } from '../../sidecar/store/redis-connection.ts'
import { faultOf, RedisFault } from '../../sidecar/store/redis-fault.ts'
import { startRaw } from './attack.ts'

const deadlineMs = 3_000
const access = { tls: undefined, username: undefined, password: undefined }

/** Said in full by no more than this: as many elements as the reader makes room for at once. */
const evil: readonly (readonly [what: string, answer: string, kind?: 'too_long'])[] = [
  ['an array of millions', '*30000000\r\n', 'too_long'],
  ['arrays in arrays', '*600000\r\n'.repeat(2), 'too_long'],
  ['arrays in replies', `*2\r\n:1\r\n${'*1000000\r\n'.repeat(2)}`, 'too_long'],
  ['a long string', '$999999999\r\n', 'too_long'],
  ['a length of many digits', `*${'0'.repeat(100)}`],
  ['a length that is none', '*x\r\n'],
  ['a length in another notation', '*0x0000000\r\n'],
  ['a length of no digits', '$\r\n'],
  ['a length with a line feed alone', '*1\n'],
  ['a number without end', `(${'9'.repeat(1_000)}`],
  ['a map', '%30000000\r\n'],
  ['a set', '~30000000\r\n'],
  ['a push', '>30000000\r\n'],
]

/** Written in one piece, and octet by octet. */
for (const isCut of [false, true]) {
  for (const [what, answer, kind = 'not_redis'] of evil) {
    test(`${what}${isCut ? ', octet by octet,' : ''} ends the connection`, async (t) => {
      const port = await startRaw(t, (socket) => {
        const parts = isCut ? answer.split('') : [answer]
        socket.setNoDelay().once('data', () => parts.forEach((part) => socket.write(part)))
      })
      const connection = await connectRedis({ host: '127.0.0.1', port }, access)
      t.after(() => connection.drop())
      const fault = await connection.call(deadlineMs, 'ping').catch(faultOf)
      assert.equal(fault instanceof RedisFault && fault.kind, kind)
    })
  }
}

test('what Redis answers passes, however it is cut', async (t) => {
  const items = Array.from({ length: 1_000 }, (_, i) => `$${String(i).length}\r\n${i}\r\n`)
  const answer = `*2\r\n$1\r\n0\r\n*1000\r\n${items.join('')}`
  for (const size of [1, 7, answer.length]) {
    const port = await startRaw(t, (socket) => {
      socket.setNoDelay().once('data', () => {
        for (let at = 0; at < answer.length; at += size) socket.write(answer.slice(at, at + size))
      })
    })
    const connection = await connectRedis({ host: '127.0.0.1', port }, access)
    t.after(() => connection.drop())
    const reply = (await connection.call(deadlineMs, 'zscan', 'a', '0')) as [string, string[]]
    assert.equal(reply[0], '0')
    assert.equal(reply[1].length, 1_000)
  }
})
