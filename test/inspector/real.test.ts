// The page as real sidecars serve it: one of its own, and the demo's for all three.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test, type TestContext } from 'node:test'
import type { Page } from 'playwright-core'
import { openObservatory } from '../../deploy/demo/observatory.ts'
import { startChain, type Chain } from '../telemetry/chain.ts'
import { browse, skip } from './browser.ts'

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

async function observe(t: TestContext, chain: Chain): Promise<Page> {
  const observatory = await openObservatory(Object.values(chain.topology.services))
  t.after(() => observatory.close())
  return browse(t, observatory.address)
}

test('the demo’s page shows the traffic of all three sidecars as one graph, live', { skip }, async (t) => {
  const chain = await startChain(t, { apps: 'preload' })
  const page = await observe(t, chain)
  await page.getByText('connected', { exact: true }).waitFor()
  await chain.ask('alice', [['traceparent', traceparent]])
  await chain.ask('mallory')
  for (const name of ['users', 'App', 'API', 'Ledger'])
    await page.locator('#graph .node', { hasText: name }).first().waitFor()
  const atLedger = page.locator('#decisions button', { hasText: /Ledger[^]*GET[^]*allowed/ })
  await atLedger.first().click()
  await page.locator('.chain').waitFor()
  const chainShown = await page.locator('.chain strong').allInnerTexts()
  assert.deepEqual(chainShown.slice(1), ['App', 'API', 'Ledger'])
  await page
    .locator('#decisions button', { hasText: /mallory|policy_denied/ })
    .first()
    .click()
  await page.locator('.steps', { hasText: /policy\s*refused/ }).waitFor()
  // The mesh file of each service, and a token that each of them would refuse.
  await page.locator('#file-text', { hasText: '"service": "A' }).waitFor()
  await page.locator('#question-token').fill('eyJhbGciOiJub25lIn0.e30.')
  await page.getByRole('button', { name: 'Ask' }).click()
  await page.getByText('It would be refused: assertion_').waitFor()
  assert.match(page.url(), /^http:\/\/127\.0\.0\.1:\d+\/$/, 'the token is still in the address')
})

test(
  'a sidecar’s own page explains a token, and shows nothing to who has not the admin token',
  { skip },
  async (t) => {
    const chain = await startChain(t, { apps: 'preload', services: ['App'] })
    const { adminPort, adminTokenFile, host } = chain.topology.services.App
    const token = (await readFile(adminTokenFile, 'utf8')).trim()
    const page = await browse(t, `http://127.0.0.1:${adminPort}/#token=${token}`)
    await page.getByText('connected', { exact: true }).waitFor()
    const ask = async (asked: string) => {
      await page.locator('#question-token').fill(asked)
      await page.getByRole('button', { name: 'Ask' }).click()
    }
    await ask(await chain.pomerium.assertion('alice', host))
    await page.getByText('It would be accepted.').waitFor()
    await ask(await chain.pomerium.assertion('alice', 'elsewhere.example.com'))
    await page.getByText('It would be refused: assertion_').waitFor()
    const stranger = await browse(t, `http://127.0.0.1:${adminPort}/#token=wrong`, /401/)
    await stranger.getByLabel('token').first().waitFor()
    assert.doesNotMatch(await stranger.innerText('body'), /alice|api-access/)
  },
)
