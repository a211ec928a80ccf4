// Registers the tests of an app beside one agent: alone, and with the preload.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Agent } from './agents.ts'
import { allCells, isGrpc, type Cell } from './cells.ts'
import { checkWithoutPreload, checkWithPreload } from './expected.ts'
import { runMatrix, type Outcome } from './matrix.ts'
import type { Played } from './played.ts'

const takesAll = process.env['SOAK'] !== undefined

/** @param cells those that are run; with `SOAK` in the environment all are. */
export function testAgent(agent: Agent, cells: readonly Cell[]): void {
  const taken = takesAll ? allCells : cells
  const alone =
    agent.carries === 'neither'
      ? 'calls leave as the service account, none as a user'
      : 'each call leaves as the user who caused it, but where the agent is known to mix up its contexts'
  test(`${agent.name}: ${alone}`, async (t) => {
    const outcomes = await runMatrix(t, { agent, cells: taken })
    t.diagnostic(sharesOf(outcomes))
    checkWithoutPreload(agent, outcomes)
    checkPlaces(agent, outcomes)
  })
  test(`${agent.name} with the preload: no call leaves as another user, and each has one`, async (t) => {
    const outcomes = await runMatrix(t, { agent, preload: 'first', cells: taken })
    t.diagnostic(sharesOf(outcomes))
    checkWithPreload(agent, outcomes)
  })
}

/** Of the calls that did not leave as their own user, in percent. */
function sharesOf(outcomes: readonly Outcome[]): string {
  const others = outcomes.flatMap(({ server, client, tally }) => {
    const all = tally.right + tally.wrong + tally.account + tally.refused
    const shares = (['wrong', 'account', 'refused'] as const)
      .filter((kind) => tally[kind] > 0)
      .map((kind) => `${kind} ${Math.round((100 * tally[kind]) / all)} %`)
    return shares.length === 0 ? [] : [`${server} ${client}: ${shares.join(', ')}`]
  })
  return others.length === 0 ? 'all right' : others.join('; ')
}

/** What carries the handle is seen where the call is received as it left. */
function checkPlaces(agent: Agent, outcomes: readonly Outcome[]): void {
  const played = outcomes.filter(({ client }) => isGrpc(client)).map(({ tally }) => tally as Played)
  assert.notEqual(played.length, 0)
  for (const { carried } of played) {
    assert.equal(carried.tracestate > 0, ['both', 'tracestate'].includes(agent.carries))
    assert.equal(carried.baggage > 0, ['both', 'baggage'].includes(agent.carries))
    assert.equal(carried.handle, 0)
  }
}
