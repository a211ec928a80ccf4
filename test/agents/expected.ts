// What is known of agents: in which cells they give a call the context of another user's request.
import assert from 'node:assert/strict'
import type { Agent } from './agents.ts'
import { userCount, type ClientName } from './cells.ts'
import type { Outcome } from './matrix.ts'
import type { Tally } from './tally.ts'

/**
 * undici 6 and 7 announce a request when it leaves a saturated Pool's queue, which is in the context of whoever opened
 * the connection; grpc-js announces one to some agents when its channel is open.
 */
export function mixesUp(agent: Agent, client: ClientName): boolean {
  if (agent.carries === 'neither') return false
  if (client === 'undici-6-saturated' || client === 'undici-7-saturated') return true
  return client === 'grpc-js-cold' && agent.mixesColdChannels === true
}

/** Without the preload: the users of a mix-up are wrong, and no others. */
export function checkWithoutPreload(agent: Agent, outcomes: readonly Outcome[]): void {
  for (const { server, client, tally } of outcomes) {
    const cell = `${server}, ${client}`
    const expected = onlyOf(agent.carries === 'neither' ? 'account' : 'right')
    if (!mixesUp(agent, client)) assert.deepEqual(plain(tally), expected, cell)
    else {
      assert.notEqual(tally.wrong, 0, `${cell}: the agent mixes up nothing any more`)
      assert.equal(tally.right + tally.wrong, userCount, cell)
    }
  }
}

/** With it: no user is wrong, and none is refused but of a mix-up. */
export function checkWithPreload(agent: Agent, outcomes: readonly Outcome[]): void {
  for (const { server, client, tally } of outcomes) {
    const cell = `${server}, ${client}`
    if (!mixesUp(agent, client)) assert.deepEqual(plain(tally), onlyOf('right'), cell)
    else {
      assert.deepEqual([tally.wrong, tally.account], [0, 0], cell)
      assert.equal(tally.right + tally.refused, userCount, cell)
    }
  }
}

/** All calls of one kind. */
export function onlyOf(kind: keyof Tally): Tally {
  return { right: 0, wrong: 0, account: 0, refused: 0, [kind]: userCount }
}

export function plain({ right, wrong, account, refused }: Tally): Tally {
  return { right, wrong, account, refused }
}
