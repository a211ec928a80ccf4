// The table: every row on each of its sides, against one real sidecar.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runRow } from './exchange.ts'
import { startGrounds } from './ground.ts'
import { table } from './table.ts'

test('every exchange of the table is carried out as its section says', async (t) => {
  const grounds = await startGrounds(t)
  for (const [topic, rows] of Object.entries(table))
    for (const row of rows)
      for (const side of row.sides)
        await t.test(`${topic}: ${row.name} (${row.rfc}; ${side})`, async () => {
          assert.deepEqual(await runRow(grounds[side], row), [])
        })
})
