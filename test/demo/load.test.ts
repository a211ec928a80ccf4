// The demo's steady load, and its own check of what happens under it: it must see one request that went wrong.
import assert from 'node:assert/strict'
import { stripVTControlCharacters } from 'node:util'
import { suite, test, type TestContext } from 'node:test'
import { startLoad, type Asked, type Load } from '../../deploy/demo/load.ts'
import { watch } from '../../deploy/demo/sharing-report.ts'

const happening = (happen = async () => ({ text: 'seen', isRight: true })) => ({ title: 'it rains', happen })

/** Ended also where the test fails: it would go on for ever. */
function start(t: TestContext, ...started: Parameters<typeof startLoad>): Load {
  const load = startLoad(...started)
  t.after(() => load.end())
  return load
}

function answer(user: string, index: number, isRight = true): Asked {
  return { visit: { user, path: `/${index}`, body: `${user} ${index}`, answers: [] }, isRight, tookMs: index }
}

async function watched(load: Load, happen?: ReturnType<typeof happening>['happen']) {
  const row = await watch(load, happening(happen))
  const { right, sent } = await load.end()
  return { ...row, cells: row.cells.map(stripVTControlCharacters), right, sent }
}

// Each waits for its seconds: all at once.
suite('a steady load', { concurrency: true }, () => {
  test('where every request and what is seen are right, so is the row', async (t) => {
    const row = await watched(start(t, ['alice', 'bob'], async (user, index) => answer(user, index)))
    assert.deepEqual(row.cells.slice(2), ['seen', 'ok'])
    assert.match(row.cells[1] ?? '', /^(\d+) of \1$/)
    assert.equal(row.isRight, true)
    assert.equal(row.right, row.sent)
  })

  test('one request that went wrong makes the row differ, and is shown', async (t) => {
    const row = await watched(start(t, ['alice'], async (user, index) => answer(user, index, index !== 7)))
    assert.equal(row.cells[3], 'DIFFERS')
    assert.equal(row.isRight, false)
    assert.equal(row.wrong?.body, 'alice 7')
    assert.equal(row.right, row.sent - 1)
  })

  test('what is not seen makes the row differ, also where no request went wrong', async (t) => {
    const load = start(t, ['alice'], async (user, index) => answer(user, index))
    const row = await watched(load, async () => ({ text: 'nothing', isRight: false }))
    assert.deepEqual(row.cells.slice(2), ['nothing', 'DIFFERS'])
  })

  test('what fails is a row that differs, and says why', async (t) => {
    const load = start(t, ['alice'], async (user, index) => answer(user, index))
    const row = await watched(load, () => Promise.reject(new Error('redis ended. Its log:\nsecond line')))
    assert.deepEqual(row.cells.slice(2), ['failed: redis ended. Its log:', 'DIFFERS'])
  })

  test('without a request no row is right', async (t) => {
    const row = await watched(start(t, [], async (user, index) => answer(user, index)))
    assert.deepEqual(row.cells.slice(1), ['0 of 0', 'seen', 'DIFFERS'])
  })

  test('users ask in turn, and who left asks no more', async (t) => {
    const load = start(t, ['alice', 'bob'], async (user, index) => answer(user, index))
    const seen: (string | undefined)[] = []
    seen.push((await load.during(async () => load.users.delete('bob'))).last?.user)
    seen.push((await load.during(async () => load.users.delete('alice'))).last?.user)
    load.users.add('bob')
    seen.push((await load.during(async () => undefined)).last?.user)
    await load.end()
    assert.deepEqual(seen, ['alice', undefined, 'bob'])
  })

  test('a request that was sent meanwhile counts, also where its answer comes later', async (t) => {
    const late = Promise.withResolvers<void>()
    const load = start(t, ['alice'], async (user, index) => {
      await late.promise
      return answer(user, index, false)
    })
    const stretch = load.during(async () => undefined)
    // A stretch lasts a second: these answers come after it.
    setTimeout(late.resolve, 1_500)
    const { right, sent } = await stretch
    await load.end()
    assert.equal(right, 0)
    assert.ok(sent > 0)
  })

  test('a mesh that does not answer is not sent more than 16 requests', async (t) => {
    const never = Promise.withResolvers<Asked>()
    const load = start(t, ['alice'], async () => never.promise)
    const stretch = load.during(async () => undefined)
    setTimeout(() => never.resolve(answer('alice', 0)), 1_500)
    const { sent } = await stretch
    assert.ok(sent > 0 && sent <= 16, `${sent} were sent`)
    await load.end()
  })

  test('the 99th percentile is of the requests of that time', async (t) => {
    const load = start(t, ['alice'], async (user, index) => ({ ...answer(user, index), tookMs: index + 1 }))
    const { sent, p99Ms } = await load.during(async () => undefined)
    await load.end()
    assert.equal(p99Ms, Math.ceil(sent * 0.99))
  })
})
