// What axe-core finds in the page: nothing, in light and dark, on a desktop and on a phone.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { eventually } from '../support/eventually.ts'
import { openConnected, openPage, skip } from './browser.ts'
import { makeMesh, makeWay } from './made.ts'

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

async function violationsOf(page: Page): Promise<unknown> {
  await page.evaluate(axe)
  return page.evaluate(
    `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, ...nodes.map((node) => node.html + ' ' + node.failureSummary)]))`,
  )
}

const sizes = [
  { width: 1280, height: 800 },
  { width: 390, height: 844 },
] as const

for (const viewport of sizes) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`axe finds nothing in ${colorScheme} at ${viewport.width} pixels`, { skip }, async (t) => {
      const { page, server } = await openConnected(t, {
        viewport,
        colorScheme,
        bypassCSP: true,
        reducedMotion: 'reduce',
      })
      const [app, api, ledger] = makeMesh(101)
      assert.ok(app && api && ledger)
      const problems = ['mesh.yaml:3:1 routes: is missing']
      server.sendState(...makeMesh(100))
      server.sendState(
        { ...app, configuration: { ...app.configuration, problems } },
        { ...api, mode: 'report' },
        { ...ledger, notReady: ['the keys of pomerium were not loaded'] },
      )
      server.sendDecision(...makeWay())
      await page.locator('#decisions button').nth(4).waitFor()
      await page.locator('#decisions button').first().click()
      await page.locator('#question-token').fill('no token')
      await page.getByRole('button', { name: 'Ask' }).click()
      await page.getByText('It would be refused').waitFor()
      await eventually(async () => (await page.locator('#graph .refused').count()) > 0)
      assert.deepEqual(await violationsOf(page), [])
    })

    test(
      `axe finds nothing where the token is asked for, in ${colorScheme} at ${viewport.width} pixels`,
      { skip },
      async (t) => {
        const { page } = await openPage(t, {
          viewport,
          colorScheme,
          bypassCSP: true,
          at: ({ origin }) => `${origin}/#token=wrong`,
          mayFail: /401 \(Unauthorized\)/,
        })
        await page.getByText('That token is not the right one.').waitFor()
        assert.deepEqual(await violationsOf(page), [])
      },
    )
  }
}

test('nothing moves for who wants nothing to move', { skip }, async (t) => {
  for (const [reducedMotion, duration] of [
    ['no-preference', '0.12s'],
    ['reduce', '0s'],
  ] as const) {
    const { page } = await openConnected(t, { reducedMotion })
    const moves = "getComputedStyle(document.querySelector('#pause')).transitionDuration"
    assert.equal(await page.evaluate(moves), duration)
  }
})
