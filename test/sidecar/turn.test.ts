// The stages of one turn of the event loop.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { atTurnEnd, headsRead } from '../../sidecar/turn.ts'

/** A request, as the two sides of a sidecar serve it. */
async function serve(name: string, log: string[]): Promise<void> {
  log.push(`read ${name}`)
  await headsRead()
  log.push(`decide ${name}`)
  await Promise.resolve()
  log.push(`go on ${name}`)
  atTurnEnd({ onTurnEnd: () => log.push(`write ${name}`) })
}

test('the requests of a turn are read, decided, carried on and written, each stage in a row', async () => {
  const log: string[] = []
  await Promise.all(['a', 'b', 'c'].map((name) => serve(name, log)))
  await nextTurn()
  const stages = ['read', 'decide', 'go on', 'write']
  assert.deepEqual(
    log,
    stages.flatMap((stage) => ['a', 'b', 'c'].map((name) => `${stage} ${name}`)),
  )
})

test('what a request writes does not wait for another turn', async () => {
  const log: string[] = []
  await nextTurn()
  void serve('a', log)
  const seen = nextTurn().then(() => log.push('the turn is over'))
  await seen
  assert.deepEqual(log.slice(-2), ['write a', 'the turn is over'])
})

test('answers that came in one turn are written at its end', async () => {
  const log: string[] = []
  for (const name of ['a', 'b']) {
    atTurnEnd({ onTurnEnd: () => log.push(`write ${name}`) })
    log.push(`answered ${name}`)
    await new Promise((resolve) => process.nextTick(resolve))
  }
  assert.deepEqual(log, ['answered a', 'answered b'])
  await nextTurn()
  assert.deepEqual(log.slice(2), ['write a', 'write b'])
})

test('none waits for more than 31 others', async () => {
  const log: string[] = []
  const all = Array.from({ length: 40 }, async (_, i) => {
    if (i >= 32) await Promise.resolve()
    await serve(String(i), log)
  })
  await Promise.all(all)
  assert.ok(log.indexOf('decide 31') < log.indexOf('decide 32'))
  assert.ok(log.indexOf('decide 0') < log.indexOf('read 33'), log.join())
  await nextTurn()
  for (let i = 0; i < 33; i++) atTurnEnd({ onTurnEnd: () => log.push(`written ${i}`) })
  assert.deepEqual([log.at(-1), log.includes('written 32')], ['written 31', false])
  await nextTurn()
  assert.equal(log.at(-1), 'written 32')
})
