// A real Chromium in front of the page, which fails the test where the page says anything to the console.
import assert from 'node:assert/strict'
import { delimiter, join } from 'node:path'
import { accessSync, constants } from 'node:fs'
import { after, type TestContext } from 'node:test'
import {
  chromium,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Page,
} from 'playwright-core'
import { startStandIn, type StandIn } from './stand-in.ts'

const executablePath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find((file) => isExecutable(file))

/** Why nothing can be seen here; false where it can. */
export const skip = executablePath === undefined ? 'chromium is not installed' : false

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export interface Seen {
  readonly page: Page
  readonly server: StandIn
}

export interface SeenOptions extends BrowserContextOptions {
  /** Where it is opened; as `run` says it, where nothing else is said. */
  readonly at?: (server: StandIn) => string
  /** Whether the clock of the page goes only as the test says. */
  readonly clock?: boolean
  /** What the console may say: answers that are no 2xx, and connections that break, are named there. */
  readonly mayFail?: RegExp
}

/** One for all tests of a file, each in a context of its own: to start one takes longer than most tests. */
let browser: Promise<Browser> | undefined
after(async () => (await browser)?.close())

async function newContext(options: BrowserContextOptions): Promise<BrowserContext> {
  browser ??= chromium.launch({ executablePath: executablePath ?? '', args: ['--no-sandbox'] })
  return (await browser).newContext(options)
}

/** Opens the page with whatever the test needs. */
export async function openPage(t: TestContext, options: SeenOptions = {}): Promise<Seen> {
  const { at = ({ url }: StandIn) => url, mayFail, clock = false, ...context } = options
  const server = await startStandIn()
  const opened = await newContext(context)
  const said: string[] = []
  t.after(async () => {
    // What the end of the server makes the page say is no fault of it.
    const faults = [...said]
    await opened.close()
    server.close()
    assert.deepEqual(faults, [])
  })
  const page = await opened.newPage()
  page.setDefaultTimeout(20_000)
  if (clock) await page.clock.install()
  page.on('console', (message) => {
    if (mayFail?.test(message.text()) !== true) said.push(`${message.type()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => said.push(`error: ${error.message}`))
  // Reported to the console as well, but not by every directive.
  await page.addInitScript(
    "addEventListener('securitypolicyviolation', (event) => console.error('violation: ' + event.violatedDirective))",
  )
  await page.goto(at(server))
  return { page, server }
}

/** And waits until the stream is open, so that what is sent then is seen. */
export async function openConnected(t: TestContext, options: SeenOptions = {}): Promise<Seen> {
  const seen = await openPage(t, options)
  await connected(seen.page)
  return seen
}

export async function connected(page: Page): Promise<void> {
  await page.getByText('connected', { exact: true }).waitFor()
}

/** Opens an address of something real. @param mayFail what the console may say. */
export async function browse(t: TestContext, address: string, mayFail = /^$/): Promise<Page> {
  const opened = await newContext({})
  const said: string[] = []
  t.after(async () => {
    const faults = [...said]
    await opened.close()
    assert.deepEqual(faults, [])
  })
  const page = await opened.newPage()
  page.setDefaultTimeout(20_000)
  page.on('console', (message) => {
    // The test may end what the page listens to.
    const isEnd = /ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION/.test(message.text())
    if (!isEnd && !mayFail.test(message.text())) said.push(`${message.type()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => said.push(`error: ${error.message}`))
  await page.goto(address)
  return page
}
