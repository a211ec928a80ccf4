// `make agents`: the whole matrix, into results.json and the table of the documentation.
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { agents } from './agents.ts'
import { allCells, userCount } from './cells.ts'
import { checkWithoutPreload, checkWithPreload } from './expected.ts'
import { runMatrix } from './matrix.ts'
import { pageFile, resultsFile, withTable } from './page.ts'
import { rowOf, toMarkdown, type Results, type Row } from './report.ts'
import { versionsOfApps } from './versions.ts'

test('the whole matrix', async (t) => {
  const rows: Row[] = []
  for (const agent of agents) {
    await t.test(agent.name, async (alone) => {
      const outcomes = await runMatrix(alone, { agent, cells: allCells })
      checkWithoutPreload(agent, outcomes)
      rows.push(rowOf(agent, false, outcomes))
    })
    await t.test(`${agent.name} with the preload`, async (beside) => {
      const outcomes = await runMatrix(beside, { agent, preload: 'first', cells: allCells })
      checkWithPreload(agent, outcomes)
      rows.push(rowOf(agent, true, outcomes))
    })
  }
  if (rows.length < 2 * agents.length) return
  const date = new Date().toISOString().slice(0, 10)
  const results: Results = { date, versions: await versionsOfApps(), users: userCount, rows }
  await writeFile(resultsFile, `${JSON.stringify(results, undefined, 2)}\n`)
  await writeFile(pageFile, withTable(await readFile(pageFile, 'utf8'), toMarkdown(results)))
})
