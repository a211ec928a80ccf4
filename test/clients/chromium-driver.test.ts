// The driver of Chromium itself: whose load it waits for.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { openBrowser } from './browser.ts'
import { deadlineMs, missingProgram } from './child.ts'

const options = { skip: missingProgram('chromium') ?? false, timeout: deadlineMs }

test('the page that shows an error does not pass for the one asked for after it', options, async (t) => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html' })
    // Later than the page that shows the error.
    setTimeout(() => response.end('<title>whole</title>'), 300)
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const page = await openBrowser(t)
  assert.equal(await page.goto('http://127.0.0.1:1/'), 'net::ERR_UNSAFE_PORT')
  assert.equal(await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`), '')
  assert.equal(await page.evaluate('document.title'), 'whole')
})
