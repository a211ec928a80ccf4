// How long a decision waits for what it lacks: for the store no longer than its deadline, however often it is asked.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Needed, type MissingRule, type Need } from '../../shared/needed.ts'
import { asking, type Asked, type Sources } from '../../sidecar/asking.ts'
import { deadlineMs } from '../../sidecar/store/store.ts'

const certificates = (...keyIds: string[]): Need => ({ kind: 'certificates', keyIds })

/** Needs one after the other, and answers what was said of each. */
function deciding(needs: readonly Need[]) {
  return (missing: MissingRule): string[] =>
    needs.map((need) => {
      const answer = missing(need)
      if (answer === 'ask') throw new Needed(need)
      return answer
    })
}

interface Question {
  readonly keyId: string
  readonly answer: (asked: Asked) => void
}

function sourcesOf(t: TestContext): { sources: Sources; asked: Question[] } {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let nowMs = 0
  t.mock.method(performance, 'now', () => nowMs)
  const asked: Question[] = []
  const advance = t.mock.timers.tick.bind(t.mock.timers)
  t.mock.method(t.mock.timers, 'tick', (ms: number) => {
    nowMs += ms
    advance(ms)
  })
  const sources: Sources = {
    keys: () => Promise.reject(new Error('not asked here')),
    session: () => Promise.reject(new Error('not asked here')),
    certificate: (keyId) => new Promise<Asked>((answer) => asked.push({ keyId, answer })),
  }
  return { sources, asked }
}

const settled = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

test('a second question to the store has only the time that the first one left', async (t) => {
  const { sources, asked } = sourcesOf(t)
  const decided = asking(sources, deciding([certificates('a'), certificates('b')]))
  t.mock.timers.tick(deadlineMs - 10)
  asked[0]?.answer('unknown')
  await settled()
  assert.deepEqual(
    asked.map(({ keyId }) => keyId),
    ['a', 'b'],
  )
  t.mock.timers.tick(10)
  assert.deepEqual(await decided, ['unknown', 'unavailable'])
})

test('when the time is over the store is asked no more', async (t) => {
  const { sources, asked } = sourcesOf(t)
  const decided = asking(sources, deciding([certificates('a'), certificates('b')]), deadlineMs - 1)
  t.mock.timers.tick(1)
  assert.deepEqual(await decided, ['unavailable', 'unavailable'])
  assert.equal(asked.length, 1)
})

test('what is lacking together is asked for together', async (t) => {
  const { sources, asked } = sourcesOf(t)
  const decided = asking(sources, deciding([certificates('a', 'b')]))
  for (const { answer } of asked) answer('unknown')
  assert.deepEqual(await decided, ['unknown'])
  assert.equal(asked.length, 2)
})

test('a session that was found and is here no more cannot be told, and is not lost', async (t) => {
  const { sources } = sourcesOf(t)
  const found: Sources = { ...sources, session: async () => 'found' }
  assert.deepEqual(await asking(found, deciding([{ kind: 'session', handle: 'a' }])), ['unavailable'])
})
