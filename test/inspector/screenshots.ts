// `make screenshots`: the inspector page over the demo's traffic, at desktop and phone width, for the README.
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { openObservatory } from '../../deploy/demo/observatory.ts'
import { startChain } from '../telemetry/chain.ts'
import { browse } from './browser.ts'

const folder = path.join(import.meta.dirname, '../../deploy/observability')
const sizes = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } }
const watchedMs = 12_000

test('screenshots', async (t) => {
  const chain = await startChain(t, { apps: 'preload' })
  const observatory = await openObservatory(Object.values(chain.topology.services))
  after(() => observatory.close())
  const pages = await Promise.all(Object.values(sizes).map(() => browse(t, observatory.address)))
  const startedMs = performance.now()
  for (let i = 0; performance.now() - startedMs < watchedMs; i++) {
    await chain.ask(i % 9 === 0 ? 'mallory' : i % 2 === 0 ? 'alice' : 'bob')
    await pause(30)
  }
  for (const [i, [name, size]] of Object.entries(sizes).entries()) {
    const page = pages[i]
    await page?.setViewportSize(size)
    await page
      ?.locator('#decisions button', { hasText: /Ledger/ })
      .first()
      .click()
    await page?.evaluate(
      name === 'desktop' ? 'scrollTo(0, 0)' : "document.querySelector('#detail').scrollIntoView()",
    )
    await pause(1_500)
    await page?.screenshot({ path: path.join(folder, `inspector-${name}.png`) })
  }
})
