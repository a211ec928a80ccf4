// The page in a real Chromium: what it shows, how it goes on, and what it must never do.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { eventually } from '../support/eventually.ts'
import { connected, openConnected, openPage, skip } from './browser.ts'
import { alice, makeDecision, makeEdge, makeMesh, makeState, makeWay } from './made.ts'
import { badTokenAnswer, rightToken } from './stand-in.ts'

const rows = (page: Page) => page.locator('#decisions button')
const detail = (page: Page) => page.locator('section', { has: page.locator('#detail') })

async function showsText(page: Page, selector: string, pattern: RegExp): Promise<void> {
  await eventually(async () => pattern.test((await page.locator(selector).allInnerTexts()).join('\n')))
}

test('it loads, says which service it is, and takes the token out of the address', { skip }, async (t) => {
  const { page, server } = await openConnected(t)
  server.sendState(makeState('App'))
  await page.getByRole('heading', { name: 'Onbehalf App' }).waitFor()
  await showsText(page, '#services', /App ready 0\.6\.0/)
  assert.equal(page.url(), `${server.origin}/`)
  assert.equal(await page.title(), 'App · Onbehalf')
  // What was in the address is there after a reload, and only there.
  await page.reload()
  await connected(page)
  assert.equal(await page.evaluate('document.cookie + JSON.stringify(localStorage)'), '{}')
})

test('all that whoever runs it should know is at the top', { skip }, async (t) => {
  const { page, server } = await openConnected(t)
  server.sendState(
    makeState('App', 0, {
      mode: 'report',
      notReady: ['the keys of pomerium were not loaded'],
      configuration: {
        file: '/etc/mesh.yaml',
        loadedAtMs: 0,
        problems: ['mesh.yaml:3:1 routes: is missing'],
      },
      unsentDecisions: 12,
    }),
  )
  await showsText(page, '#services', /App not ready: the keys of pomerium were not loaded/)
  await showsText(page, '#warnings', /mode report: what it refuses is let through/)
  await showsText(page, '#warnings', /not in effect: mesh\.yaml:3:1 routes: is missing\. The last good one/)
  await showsText(page, '#unsent', /12 decisions did not come here/)
})

test('the graph and its table are of the whole mesh, and go on by themselves', { skip }, async (t) => {
  const { page, server } = await openConnected(t)
  server.sendState(...makeMesh(100))
  await page.locator('#way-rows tr').nth(5).waitFor()
  await showsText(page, '#way-rows', /users → App\s+–/)
  server.sendState(...makeMesh(102))
  await showsText(page, '#way-rows', /App → API\s+9\/s\s+\S+ ms\s+\S+ ms\s+1\/s/)
  const drawn = await page.locator('#graph svg').textContent()
  for (const name of ['users', 'App', 'API', 'Ledger', 'elsewhere', '1/s refused', '12/s']) {
    assert.ok(drawn?.includes(name), `${name} is not drawn`)
  }
  // From left to right by who calls whom.
  const xs = await Promise.all(
    ['users', 'App', 'API', 'Ledger'].map(async (name) => {
      const box = await page.locator('#graph .node', { hasText: name }).first().boundingBox()
      return box?.x ?? 0
    }),
  )
  assert.deepEqual(
    xs,
    xs.toSorted((a, b) => a - b),
  )
})

test(
  'decisions come in live, newest first, and the chain of the chosen one is drawn',
  { skip },
  async (t) => {
    const { page, server } = await openConnected(t)
    server.sendState(...makeMesh(0))
    server.sendDecision(...makeWay())
    await rows(page).nth(4).waitFor()
    // As it is read out.
    const newest = page.getByRole('button', {
      name: /^\d\d:\d\d:\d\d API\s+to Ledger GET \/entries refused policy_denied$/,
    })
    assert.equal(await newest.count(), 1)
    assert.match(await rows(page).first().innerText(), /refused[^]*policy_denied/)
    await rows(page).first().click()
    assert.deepEqual(await page.locator('.chain strong').allInnerTexts(), ['alice', 'App', 'API', 'Ledger'])
    await showsText(page, '.steps', /evidence\s+passed[^]*policy\s+refused/)
    await showsText(page, '#detail', /no allow rule matched: user is ledger-admin/)
    await showsText(page, '#detail', /onbehalf explain request-\d+ --service Ledger/)
  },
)

test('what caused a call, and what a request caused, is one button away', { skip }, async (t) => {
  const { page, server } = await openConnected(t)
  const way = makeWay()
  server.sendState(...makeMesh(0))
  server.sendDecision(...way)
  await rows(page).nth(4).waitFor()
  await rows(page).nth(3).click()
  await detail(page).getByRole('heading', { name: 'App → API' }).waitFor()
  await detail(page).getByRole('button', { name: 'alice → App' }).click()
  await detail(page).getByRole('heading', { name: 'alice → App' }).waitFor()
  assert.match((await page.locator('#decisions [aria-current]').innerText()) ?? '', /alice/)
  // A call that is caused while the request is looked at.
  const [atApp, toApi] = way
  assert.ok(atApp && toApi)
  server.sendDecision(makeDecision({ ...toApi, requestId: 'later', atMs: toApi.atMs + 1, path: '/later' }))
  await detail(page).getByRole('button', { name: 'GET /later' }).click()
  await showsText(page, '#detail', /GET api\.localhost\.pomerium\.io\/later/)
})

test('ids and the command are copied as they are', { skip }, async (t) => {
  const { page, server } = await openConnected(t, { permissions: ['clipboard-read', 'clipboard-write'] })
  server.sendDecision(makeDecision({ requestId: 'r-1', service: "it's" }))
  await rows(page).first().click()
  await page.getByRole('button', { name: 'Copy command' }).click()
  await showsText(page, '#announcement', /Copied: command/)
  assert.equal(
    await page.evaluate('navigator.clipboard.readText()'),
    "onbehalf explain r-1 --service 'it'\\''s'",
  )
})

test('the list is filtered, and stands still while it is paused', { skip }, async (t) => {
  const { page, server } = await openConnected(t)
  server.sendDecision(...makeWay())
  await rows(page).nth(4).waitFor()
  await page.getByLabel('refused only').check()
  assert.equal(await rows(page).count(), 1)
  await page.getByLabel('refused only').uncheck()
  await page.getByLabel('Filter').fill('entries policy_denied')
  assert.equal(await rows(page).count(), 1)
  await page.getByLabel('Filter').fill('')
  await page.getByRole('button', { name: 'Pause' }).click()
  server.sendDecision(makeDecision({ path: '/meanwhile' }))
  await showsText(page, '#decisions-state', /5 decisions; paused, 1 waiting/)
  assert.equal(await rows(page).count(), 5)
  await page.getByRole('button', { name: 'Resume' }).click()
  assert.match(await rows(page).first().innerText(), /\/meanwhile/)
})

const refused = (path: string) => makeDecision({ outcome: 'refused', code: 'assertion_missing', path })

test('it says what is refused to who cannot see it, many at once as a number', { skip }, async (t) => {
  const { page, server } = await openConnected(t)
  server.sendDecision(refused('/1'))
  await showsText(page, '[aria-live=polite]', /Refused: assertion_missing, unverified to App, GET \/1/)
  server.sendDecision(refused('/2'), refused('/3'))
  await showsText(page, '[aria-live=polite]', /2 more requests refused\. The last: .* GET \/3/)
})

test('it asks for the token where there is none, and says where it is', { skip }, async (t) => {
  const { page, server } = await openPage(t, { at: ({ origin }) => origin })
  await page.getByText('The token is in the file that run names; cat it.').waitFor()
  assert.equal(await page.locator('#parts').isVisible(), false)
  await page.locator('#token').fill(rightToken)
  await page.keyboard.press('Enter')
  await connected(page)
  server.sendState(makeState('App'))
  await page.getByRole('heading', { name: 'Onbehalf App' }).waitFor()
  assert.equal(await page.getByText('The token is in the file').isVisible(), false)
})

test('it asks again where the token is wrong, and takes one from a new address', { skip }, async (t) => {
  const mayFail = /401 \(Unauthorized\)/
  const { page, server } = await openPage(t, { at: ({ origin }) => `${origin}/#token=wrong`, mayFail })
  await page.getByText('That token is not the right one.').waitFor()
  await page.locator('#token').fill('still wrong')
  await page.keyboard.press('Enter')
  await page.getByText('/run/App.admin-token').waitFor()
  await page.evaluate(`location.hash = 'token=${rightToken}'`)
  await connected(page)
  assert.equal(page.url(), `${server.origin}/`)
})

/** What it says of its connection may be gone before anybody looks. */
async function listenToConnection(page: Page): Promise<void> {
  await page.evaluate(`
    globalThis.heard = []
    const place = document.querySelector('#connection')
    new MutationObserver(() => heard.push(place.textContent)).observe(place, { childList: true })
  `)
}

test('when the stream breaks it says so, and connects again', { skip }, async (t) => {
  const { page, server } = await openConnected(t, { mayFail: /ERR_INCOMPLETE_CHUNKED_ENCODING/ })
  const way = makeWay()
  server.sendState(makeState('App'))
  server.sendDecision(...way)
  await rows(page).nth(4).waitFor()
  await listenToConnection(page)
  server.breakStreams()
  await eventually(async () => server.opened() === 2)
  await connected(page)
  const [lost = '', again] = (await page.evaluate('heard')) as string[]
  assert.match(lost, /^not connected: .* Tries again in 0\.3 s\. What is shown is of \d/)
  assert.equal(again, 'connected')
  // What is told once more is no other decision.
  server.sendDecision(...way, makeDecision({ path: '/again' }))
  await rows(page).nth(5).waitFor()
  assert.match(await rows(page).first().innerText(), /\/again/)
  assert.equal(await rows(page).count(), 6)
  await showsText(page, '#decisions-state', /^6 decisions/)
})

test('a stream that says nothing for too long is left for another', { skip }, async (t) => {
  const { page, server } = await openConnected(t, { clock: true })
  await page.clock.runFor(5_000)
  server.sendState(makeState('App'))
  await eventually(async () => {
    await page.clock.runFor(50)
    return (await page.title()) === 'App · Onbehalf'
  })
  assert.equal(server.opened(), 1)
  await listenToConnection(page)
  await page.clock.runFor(16_000)
  await showsText(page, '#services', /App nothing heard for \d+ s/)
  await eventually(async () => {
    await page.clock.runFor(50)
    return server.opened() === 2
  })
  const [lost = ''] = (await page.evaluate('heard')) as string[]
  assert.match(lost, /^not connected: nothing was heard for too long/)
})

test('a bad token is explained, and not kept', { skip }, async (t) => {
  const { page, server } = await openConnected(t)
  server.sendState(...makeMesh(0))
  await page.getByRole('combobox', { name: 'At' }).selectOption('Ledger')
  await page.locator('#question-token').fill(' no token ')
  await page.locator('#question-for').fill('nor that')
  await page.getByRole('button', { name: 'Ask' }).click()
  await page.getByText('It would be refused: assertion_malformed').waitFor()
  assert.deepEqual(await page.locator('#question-answer li').allInnerTexts(), badTokenAnswer.lines)
  assert.deepEqual(server.asked, [{ service: 'Ledger', token: 'no token', for: 'nor that' }])
  await page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
  assert.equal(await page.locator('#question-token').inputValue(), '')
  assert.equal(await page.locator('#question-for').inputValue(), '')
  assert.equal(await page.locator('#question-answer').innerText(), '')
  assert.doesNotMatch(String(await page.evaluate('JSON.stringify(sessionStorage)')), /no token/)
})

test('the mesh file in effect is shown of the service that is chosen', { skip }, async (t) => {
  const { page, server } = await openConnected(t)
  server.sendState(makeState('App'))
  await showsText(page, '#file-text', /"service": "App"/)
  assert.equal(await page.locator('#file-service').isVisible(), false)
  server.sendState(makeState('API'))
  await page.getByRole('combobox', { name: 'Of' }).selectOption('API')
  await showsText(page, '#file-text', /"service": "API"/)
})

test('keys, certificates and sessions are told, and what ends soon in words', { skip }, async (t) => {
  const { page, server } = await openConnected(t)
  server.sendState(...makeMesh(0))
  await showsText(page, '#key-rows', /ledger-access[^]*soon: ends in 5 h/)
  await showsText(page, '#key-rows', /pomerium[^]*fetched \d+ \w+ ago[^]*API, App, Ledger/)
  await showsText(page, '#session-rows', /App\s+2\s+5\s+19\.1 KiB/)
})

test('all of it is reached by keyboard alone', { skip }, async (t) => {
  const { page, server } = await openConnected(t)
  server.sendState(...makeMesh(0))
  server.sendDecision(...makeWay())
  await rows(page).nth(4).waitFor()
  const tabTo = async (what: string) => {
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press('Tab')
      if ((await page.evaluate(`document.activeElement.matches(${JSON.stringify(what)})`)) === true) return
    }
    assert.fail(`the tabulator key does not reach ${what}`)
  }
  await tabTo('#filter')
  await page.keyboard.type('ledger')
  await tabTo('#refused-only')
  await tabTo('#pause')
  // One stop for the whole list, then arrows.
  await tabTo('#decisions button')
  assert.equal(await rows(page).count(), 2)
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await detail(page).getByRole('heading', { name: 'API → Ledger' }).waitFor()
  assert.equal(await page.evaluate('document.activeElement.id'), 'detail-title')
  // New ones on top take the focus from nothing.
  server.sendDecision(...makeWay())
  await rows(page).nth(3).waitFor()
  await page.keyboard.press('Escape')
  const focused = 'document.activeElement.matches("#decisions li:last-child button")'
  assert.equal(await page.evaluate(focused), true)
  await page.keyboard.press('Home')
  assert.equal(
    await page.evaluate('document.activeElement.matches("#decisions li:first-child button")'),
    true,
  )
  await tabTo('#question-token')
  await page.keyboard.type('x')
  await tabTo('#question-form [type=submit]')
  await page.keyboard.press('Enter')
  await page.getByText('It would be refused').waitFor()
  await tabTo('#file-again')
})

test('each thing that has the focus shows it', { skip }, async (t) => {
  const { page, server } = await openConnected(t)
  server.sendState(...makeMesh(0))
  server.sendDecision(...makeWay())
  await rows(page).nth(4).waitFor()
  const stops = new Set<string>()
  for (let i = 0; i < 14; i++) {
    await page.keyboard.press('Tab')
    const [name, width] = (await page.evaluate(
      '[document.activeElement.id || document.activeElement.className, getComputedStyle(document.activeElement).outlineWidth]',
    )) as [string, string]
    stops.add(name)
    if (name !== '') assert.equal(width, '2px', name)
  }
  assert.ok(stops.size > 6, [...stops].join(', '))
})

test('hostile text stays text, in every field of a decision and of a state', { skip }, async (t) => {
  const { page, server } = await openConnected(t)
  const evil = `<img src=x onerror="document.title='taken'">`
  const who = { issuer: evil, subject: evil, kind: 'user' } as const
  const hostile = {
    requestId: evil,
    traceId: evil,
    method: evil,
    host: evil,
    path: evil,
    route: evil,
    peer: evil,
    reason: evil,
    detail: evil,
    certificate: evil,
    caller: who,
    originalUser: who,
    chain: [evil, evil],
    txn: evil,
    outcome: 'refused',
    // Nothing of the sidecar's is one, but what arrives is what arrives.
    code: evil as 'policy_denied',
  } as const
  const source = { name: evil as 'handle', says: 'user', user: who, requestId: evil } as const
  const state = makeState(evil, 0, {
    version: evil,
    notReady: [evil],
    waitingFor: [evil],
    edges: [makeEdge({ from: evil, to: `${evil}!`, requests: 1, codes: { [evil]: 1 } })],
    keys: [{ kind: 'account', of: evil, id: evil, usableUntil: evil, since: evil, revoked: false }],
    configuration: { file: evil, loadedAtMs: 0, problems: [evil] },
  })
  server.sendState(state, makeState('App'))
  server.sendDecision(
    makeDecision({ ...hostile, service: evil }),
    makeDecision({
      ...hostile,
      service: evil,
      direction: 'outbound',
      sources: [source],
      source: source.name,
    }),
  )
  await rows(page).nth(1).waitFor()
  for (const i of [0, 1]) {
    await rows(page).nth(i).click()
    await page.getByText('All that was recorded').click()
    await showsText(page, '#detail', /<img src=x onerror=/)
  }
  await showsText(page, '#graph', /<img src=x/)
  assert.equal(await page.locator('img').count(), 0)
  assert.notEqual(await page.title(), 'taken')
})

test('a text that would turn the direction of writing is written out', { skip }, async (t) => {
  const { page, server } = await openConnected(t)
  server.sendDecision(makeDecision({ path: '/\u202egnp.exe' }))
  await showsText(page, '#decisions', /\/\\u202egnp\.exe/)
})

for (const width of [390, 320]) {
  test(`nothing is wider than a phone of ${width} pixels`, { skip }, async (t) => {
    const { page, server } = await openConnected(t, { viewport: { width, height: 844 } })
    server.sendState(...makeMesh(100))
    server.sendState(...makeMesh(101), makeState('A-service-with-a-very-long-name-that-does-not-break'))
    server.sendDecision(
      ...makeWay(),
      makeDecision({
        path: `/${'x'.repeat(1_000)}`,
        service: 'y'.repeat(100),
        caller: { ...alice, subject: 'z'.repeat(1_000) },
        outcome: 'refused',
        code: 'original_user_key_unknown',
      }),
    )
    await rows(page).nth(5).waitFor()
    await rows(page).first().click()
    await page.getByText('All that was recorded').click()
    await showsText(page, '#file-text', /read/)
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width)
    for (const place of ['#decisions', '#detail', '#services', '#warnings']) {
      const isCut = `(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)(document.querySelector('${place}'))`
      assert.equal(await page.evaluate(isCut), false, place)
    }
    // From the top downwards instead.
    const isBelow = `(([users, ledger]) => users < ledger)(['users', 'Ledger'].map((name) => [...document.querySelectorAll('#graph .node')]
      .find((node) => node.textContent.includes(name)).getBoundingClientRect().y))`
    assert.equal(await page.evaluate(isBelow), true)
  })
}

test('on a desktop the list and the detail are beside each other', { skip }, async (t) => {
  const { page } = await openConnected(t, { viewport: { width: 1280, height: 800 } })
  const [list, chosen] = await Promise.all(
    ['Last decisions', 'Detail'].map((name) => page.getByRole('region', { name }).boundingBox()),
  )
  assert.ok(list && chosen && chosen.x > list.x + list.width - 1 && chosen.y === list.y)
})
