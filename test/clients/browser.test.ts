// A browser as the caller of an app behind its sidecar: pages, forms, uploads, events, origins, cookies, sockets.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { rawValues } from '../support/app.ts'
import { hosts, startMesh } from '../support/mesh.ts'
import { sha256 } from './ask.ts'
import { arrived, createPageApp, eventCount, openBrowser, pageParts, wholePage } from './browser.ts'
import { deadlineMs, missingProgram } from './child.ts'

const options = { skip: missingProgram('chromium') ?? false, timeout: 4 * deadlineMs }

/** A mesh of which App is open to everybody, or as `route` says, and a browser. */
async function start(t: TestContext, route: Readonly<Record<string, unknown>> = open) {
  const page = await openBrowser(t)
  const mesh = await startMesh(t, { run: ['App'], routes: { App: route } })
  const app = createPageApp()
  mesh.apps.App.handler = app.handler
  const port = mesh.sidecars.App.inbound
  return { mesh, app, page, origin: `http://127.0.0.1:${port}`, otherOrigin: `http://localhost:${port}` }
}

const open = { policy: undefined, allow_public_unauthenticated_access: true }

test('a browser on a public route', options, async (t) => {
  const { mesh, app, page, origin, otherOrigin } = await start(t)
  const file = join(mesh.folder, 'upload')
  const content = randomBytes(1024 * 1024)
  await writeFile(file, content)
  t.beforeEach(async () => {
    assert.equal(await page.goto(`${origin}/page.html`), '')
    app.received.splice(0)
  })
  const bodyOf = (method: string) => app.received.find((each) => each.method === method)?.body ?? ''

  await t.test('loads a page with its script, style sheet and image', async () => {
    await page.goto(`${origin}/page.html`)
    assert.deepEqual(await page.evaluate('sees.page()'), wholePage)
    assert.deepEqual(arrived(app), pageParts)
  })

  await t.test('follows a redirect', async () => {
    await page.goto(`${origin}/to-page`)
    assert.equal(await page.evaluate('location.pathname'), '/page.html')
    assert.deepEqual(await page.evaluate('sees.page()'), wholePage)
  })

  await t.test('sends a form', async () => {
    await page.leave('document.forms[0].submit()')
    assert.equal(await page.evaluate('location.search'), '?kind=fields')
    assert.equal(bodyOf('POST'), 'name=K%C3%A4the+%26+co')
  })

  await t.test('sends a form with a file', async () => {
    await page.chooseFile('document.forms[1].elements[0]', file)
    await page.leave('document.forms[1].submit()')
    assert.equal(await page.evaluate('location.search'), '?kind=file')
    assert.ok(bodyOf('POST').includes(content.toString('latin1')))
  })

  await t.test('uploads by XMLHttpRequest, with progress', async () => {
    await page.chooseFile('document.forms[1].elements[0]', file)
    const seen = await page.evaluate(`sees.xhr('/upload', document.forms[1].elements[0].files[0])`)
    assert.deepEqual(seen, { status: 200, text: 'Grüße aus der Anwendung\n', loaded: content.length })
    assert.equal(sha256(Buffer.from(bodyOf('POST'), 'latin1')), sha256(content))
  })

  await t.test('gets server-sent events one by one', async () => {
    const expected = Array.from({ length: eventCount }, (_, i) => String(i + 1))
    assert.deepEqual(await page.evaluate(`sees.events(${eventCount})`), expected)
  })

  await t.test('asks before it reads across origins', async () => {
    const seen = await page.evaluate(`sees.status('${otherOrigin}/open', { headers: { 'X-Own': 'kept' } })`)
    assert.equal(seen, 200)
    assert.deepEqual(arrived(app), ['GET /open', 'OPTIONS /open'])
    const names = rawValues(app.received[0], 'access-control-request-headers')
    assert.deepEqual(names, ['x-own'])
  })

  await t.test('keeps cookies and brings them back, those that no script sees too', async () => {
    await page.evaluate(`sees.status('/cookies')`)
    await page.evaluate(`sees.status('/plain')`)
    assert.equal(await page.evaluate('document.cookie'), 'a=1; b=2')
    assert.deepEqual(rawValues(app.received[1], 'cookie'), ['a=1; b=2; c=3'])
  })

  await t.test('is told that what it keeps is still good', async () => {
    const read = `fetch('/cached').then((response) => response.text())`
    assert.equal(await page.evaluate(read), 'from the app, once')
    assert.equal(await page.evaluate(read), 'from the app, once')
    assert.deepEqual(rawValues(app.received[1], 'if-none-match'), ['"v1"'])
  })

  await t.test('makes many requests at once', async () => {
    const all = `Promise.all(Array.from({ length: 60 }, (_, i) => sees.status('/plain?' + i)))`
    assert.deepEqual(
      await page.evaluate(all),
      Array.from({ length: 60 }, () => 200),
    )
    assert.equal(new Set(arrived(app)).size, 60)
  })

  await t.test('hears from its app that it takes no WebSocket, and goes on', async () => {
    const url = `${origin.replace('http', 'ws')}/socket`
    assert.deepEqual(await page.evaluate(`sees.socket('${url}')`), { isOpen: false, code: 1006 })
    assert.deepEqual(arrived(app), ['GET /socket'])
    assert.equal(await page.evaluate(`sees.status('/plain')`), 200)
  })
})

test(
  'a browser that comes with an assertion is known with the page and all its parts',
  options,
  async (t) => {
    const { mesh, app, page, origin } = await start(t, {})
    const assertion = await mesh.pomerium.assertion('alice', hosts.App)
    await page.setHeaders([['X-Pomerium-Jwt-Assertion', assertion]])
    await page.goto(`${origin}/page.html`)
    assert.deepEqual(await page.evaluate('sees.page()'), wholePage)
    assert.deepEqual(arrived(app), pageParts)
    for (const received of app.received)
      assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['alice-id'])
  },
)

test('a browser that comes without an assertion sees the refusal', options, async (t) => {
  const { app, page, origin } = await start(t, {})
  await page.goto(`${origin}/page.html`)
  const shown = JSON.parse((await page.evaluate('document.body.innerText')) as string)
  assert.equal(shown.error, 'assertion_missing')
  assert.deepEqual(app.received, [])
})

for (const [may, passes, seen, reaching] of [
  [true, 'passes', 200, ['GET /open', 'OPTIONS /open']],
  [false, 'is refused', 'TypeError', []],
] as const) {
  const name = `a preflight, which carries no assertion, ${passes} where cors_allow_preflight is ${may}`
  test(name, options, async (t) => {
    const { mesh, app, page, origin, otherOrigin } = await start(t, { cors_allow_preflight: may })
    const assertion = await mesh.pomerium.assertion('alice', hosts.App)
    await page.goto(`${otherOrigin}/page`)
    const fetching = JSON.stringify({ headers: { 'X-Pomerium-Jwt-Assertion': assertion } })
    const status = await page.evaluate(
      `fetch('${origin}/open', ${fetching}).then(({ status }) => status, ({ name }) => name)`,
    )
    assert.equal(status, seen)
    assert.deepEqual(arrived(app), reaching)
  })
}
