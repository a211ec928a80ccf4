// What the page of documentation states of agents is what was measured, with the packages that are used.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { agents, type Agent } from './agents.ts'
import { userCount } from './cells.ts'
import { pageFile, resultsFile, tableOf } from './page.ts'
import { faultOf, toMarkdown, type Results } from './report.ts'
import { versionsOfApps } from './versions.ts'

const results = JSON.parse(await readFile(resultsFile, 'utf8')) as Results
const page = await readFile(pageFile, 'utf8')

test("the page's table is that of the results", () => {
  assert.equal(tableOf(page), toMarkdown(results))
})

test('every agent was measured, alone and with the preload, and each row says what the tests hold', () => {
  assert.equal(results.users, userCount)
  const expected = agents.flatMap(({ name, carries }) =>
    [false, true].map((preload) => ({ agent: name, preload, carries })),
  )
  const measured = results.rows.map(({ agent, preload, carries }) => ({ agent, preload, carries }))
  assert.deepEqual(measured, expected)
  const agentOf = new Map(agents.map((agent) => [agent.name, agent]))
  const faults = results.rows.map((row) => faultOf(row, agentOf.get(row.agent) as Agent))
  assert.deepEqual(
    faults.filter((fault) => fault !== undefined),
    [],
  )
})

test('it was measured with the versions that the apps are made of', async () => {
  assert.deepEqual(results.versions, await versionsOfApps(), 'run `make agents`')
})
