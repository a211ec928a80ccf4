// Where a route requires an original user and the app carries none, its calls are refused, not made as the account.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { propagators, sentry, type Agent } from './agents.ts'
import { fewCells, isGrpc } from './cells.ts'
import { onlyOf, plain } from './expected.ts'
import { runMatrix } from './matrix.ts'

const withoutPropagators = propagators.at(-1) as Agent
const cells = fewCells.filter(({ client }) => !isGrpc(client))

for (const agent of [withoutPropagators, sentry]) {
  test(`${agent.name}: a route that requires a user refuses every call`, async (t) => {
    const outcomes = await runMatrix(t, { agent, originalUser: 'required', cells })
    for (const { client, tally } of outcomes) assert.deepEqual(plain(tally), onlyOf('refused'), client)
  })
}
