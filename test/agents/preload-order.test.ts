// The preload after the agent: what it can no longer patch it does not carry, and still no user is wrong.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { datadog } from './agents.ts'
import { fewCells } from './cells.ts'
import { mixesUp } from './expected.ts'
import { runMatrix } from './matrix.ts'

test('dd-trace, then the preload: no call leaves as another user', async (t) => {
  const outcomes = await runMatrix(t, { agent: datadog, preload: 'last', cells: fewCells })
  for (const { client, tally } of outcomes) {
    assert.deepEqual([tally.wrong, tally.account], [0, 0], client)
    if (!mixesUp(datadog, client)) assert.equal(tally.refused, 0, client)
  }
})
