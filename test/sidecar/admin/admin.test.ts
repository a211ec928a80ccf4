// The admin listener answers programs on this machine, and changes something only for who has the token.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { createAdmin, type AdminSubject } from '../../../sidecar/admin/admin.ts'
import { maxConnections } from '../../../sidecar/admin/connections.ts'
import type { AdminToken } from '../../../sidecar/admin/token.ts'
import { defaultRevocationSeconds } from '../../../shared/revocation.ts'
import type { Revoked } from '../../../sidecar/revoking.ts'
import { stepsOf } from '../../../shared/steps.ts'
import type { Decision } from '../../../shared/decision.ts'
import type { ServiceState } from '../../../sidecar/admin/page/protocol.ts'
import { eventually } from '../../support/eventually.ts'
import { send, type Answer, type Sent } from '../../support/client.ts'

const token: AdminToken = {
  file: '/run/onbehalf/token',
  matches: (presented) => presented === 'right',
  remove: () => undefined,
}
const hostile = 'aud is "\u009b31m\u007f\u2028\u202e"'
const made = { requestId: 'r1', direction: 'inbound' } as Decision
const state = { service: 'API', unsentDecisions: 0 } as ServiceState
const withToken = ['Authorization', 'Bearer right']

interface Admin {
  readonly port: number
  /** What the subject was told, in order. */
  readonly told: unknown[]
  readonly ask: (sent: Omit<Sent, 'port'>) => Promise<Answer>
}

async function startAdmin(t: TestContext, revoked: Revoked = { kind: 'local' }): Promise<Admin> {
  const told: unknown[] = []
  const subject: AdminSubject = {
    config: () => ({ what: 'config' }),
    keys: () => ({ what: 'keys' }),
    keySet: () => ({ keys: [] }),
    sessions: () => ({ active: 1 }),
    decisions: () => [{ ...made, detail: hostile }],
    drain: () => told.push('drain'),
    shutdown: () => told.push('shutdown'),
    setLogLevel: (level) => told.push(level),
    judge(asked) {
      told.push(asked)
      return { accepted: false, code: 'assertion_expired', lines: ['it has expired'] }
    },
    events: {
      state: () => state,
      recent: () => [],
      watch: (watcher) => {
        told.push('watched')
        watcher(made)
        return () => told.push('no longer watched')
      },
    },
    issuerNames: () => ['pomerium', 'mesh'],
    async revoke(revocation, forSeconds) {
      told.push(forSeconds === defaultRevocationSeconds ? revocation : { ...revocation, forSeconds })
      return revoked
    },
  }
  const server = createAdmin(subject, token)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return { port, told, ask: (sent) => send({ host: `127.0.0.1:${port}`, ...sent, port }) }
}

const open: Readonly<Record<string, unknown>> = {
  '/config': { what: 'config' },
  '/keys': { what: 'keys' },
  '/sessions': { active: 1 },
  '/.well-known/pomerium/jwks.json': { keys: [] },
}
for (const [target, body] of Object.entries(open)) {
  test(`GET ${target} needs no token`, async (t) => {
    const { ask } = await startAdmin(t)
    const answer = await ask({ target })
    assert.equal(answer.status, 200)
    assert.deepEqual(JSON.parse(answer.body), body)
    assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
    assert.equal(answer.headers['cache-control'], 'no-store')
    assert.equal(answer.headers['x-content-type-options'], 'nosniff')
    assert.equal(answer.headers['access-control-allow-origin'], undefined)
  })
}

test('a query changes nothing', async (t) => {
  const { ask } = await startAdmin(t)
  assert.equal((await ask({ target: '/config?a=b' })).status, 200)
})

test('no text of a stranger commands the terminal of who asks by curl, and JSON gives it back', async (t) => {
  const { ask } = await startAdmin(t)
  const { body } = await ask({ target: '/decisions', headers: withToken })
  assert.match(body, /^[\n\x20-\x7e]+$/)
  assert.equal((JSON.parse(body) as Decision[])[0]?.detail, hostile)
})

const guarded: readonly (readonly [
  method: string,
  target: string,
  body: string | undefined,
  told: unknown,
])[] = [
  ['GET', '/decisions', undefined, undefined],
  ['POST', '/drain', '', 'drain'],
  ['POST', '/shutdown', '', 'shutdown'],
  ['PUT', '/log-level', 'debug\n', 'debug'],
  ['POST', '/token', '{"token":" a.b.c\\n"}', { token: 'a.b.c', tokenFor: undefined }],
  ['POST', '/token', '{"token":"a.b.c","for":"d.e.f"}', { token: 'a.b.c', tokenFor: 'd.e.f' }],
  ['POST', '/revoke', '{"kind":"kid","value":"k"}', { kind: 'kid', value: 'k' }],
  [
    'POST',
    '/revoke',
    '{"kind":"subject","issuer":"pomerium","value":"alice","more":1}',
    { kind: 'subject', issuer: 'pomerium', value: 'alice' },
  ],
  [
    'POST',
    '/revoke',
    '{"kind":"session","issuer":"mesh","value":"s"}',
    { kind: 'session', issuer: 'mesh', value: 's' },
  ],
  [
    'POST',
    '/revoke',
    '{"kind":"jti","issuer":"pomerium","value":"j"}',
    { kind: 'jti', issuer: 'pomerium', value: 'j' },
  ],
  [
    'POST',
    '/revoke',
    '{"kind":"jti","issuer":"pomerium","value":"j","for":"90d"}',
    { kind: 'jti', issuer: 'pomerium', value: 'j', forSeconds: 90 * 86_400 },
  ],
  [
    'POST',
    '/revoke',
    '{"kind":"jti","issuer":"pomerium","value":"j","for":"forever"}',
    { kind: 'jti', issuer: 'pomerium', value: 'j', forSeconds: Infinity },
  ],
  [
    'POST',
    '/revoke',
    '{"kind":"jti","issuer":"pomerium","value":"j","for":"1h30m"}',
    { kind: 'jti', issuer: 'pomerium', value: 'j', forSeconds: 5_400 },
  ],
]
for (const [method, target, body, expected] of guarded) {
  test(`${method} ${target} ${JSON.stringify(body ?? '')} is done with the token, and not without`, async (t) => {
    const { ask, told } = await startAdmin(t)
    const sent = { method, target, ...(body !== undefined && { body }) }
    const wrong = [
      [],
      ['Authorization', 'Bearer wrong'],
      ['Authorization', 'right'],
      ['Authorization', 'Bearer right x'],
      ['Authorization', 'Bearer  right'],
      ['X-Token', 'right'],
      ['Authorization', 'Basic right'],
    ]
    for (const headers of wrong) {
      const denied = await ask({ ...sent, headers })
      assert.equal(denied.status, 401)
      assert.doesNotMatch(denied.body, /right/)
    }
    assert.deepEqual(told, [])
    assert.ok([200, 202].includes((await ask({ ...sent, headers: withToken })).status))
    assert.deepEqual(told, expected === undefined ? [] : [expected])
  })
}

const badBodies: readonly (readonly [method: string, target: string, body: string])[] = [
  ['PUT', '/log-level', 'trace'],
  ['PUT', '/log-level', ''],
  ['PUT', '/log-level', '__proto__'],
  ['POST', '/token', ''],
  ['POST', '/token', 'null'],
  ['POST', '/token', '{"token":""}'],
  ['POST', '/token', '{"token":1}'],
  ['POST', '/token', '{"token":"a.b.c","for":1}'],
  ['POST', '/revoke', ''],
  ['POST', '/revoke', 'null'],
  ['POST', '/revoke', '[]'],
  ['POST', '/revoke', '{"kind":"kid","value":""}'],
  ['POST', '/revoke', '{"kind":"kid","value":1}'],
  ['POST', '/revoke', '{"kind":"kid"}'],
  ['POST', '/revoke', '{"kind":"subject","value":"alice"}'],
  ['POST', '/revoke', '{"kind":"subject","issuer":"nobody","value":"alice"}'],
  ['POST', '/revoke', '{"kind":"subject","issuer":1,"value":"alice"}'],
  ['POST', '/revoke', '{"kind":"kid","value":"k","for":"0s"}'],
  ['POST', '/revoke', '{"kind":"kid","value":"k","for":30}'],
  ['POST', '/revoke', '{"kind":"kid","value":"k","for":"99999d"}'],
  ['POST', '/revoke', '{"kind":"all","issuer":"pomerium","value":"alice"}'],
]
for (const [method, target, body] of badBodies) {
  test(`${method} ${target} ${JSON.stringify(body)} is not understood, and nothing is done`, async (t) => {
    const { ask, told } = await startAdmin(t)
    assert.equal((await ask({ method, target, body, headers: withToken })).status, 400)
    assert.deepEqual(told, [])
  })
}

const reaches: readonly (readonly [revoked: Revoked, words: RegExp, more: object])[] = [
  [{ kind: 'local' }, /^Refused here from now on: whatever this key signed\.$/, {}],
  [
    { kind: 'shared', listening: 3 },
    /^Refused by every sidecar on the store from now on: whatever this key signed\.$/,
    { listening: 3 },
  ],
  [{ kind: 'not_permitted', why: '' }, /here .* NOT told: this one may not write revocations\. Use/, {}],
  [{ kind: 'unreachable', why: '' }, /here .* NOT told yet: the store does not answer\. They will be/, {}],
]
for (const [revoked, words, more] of reaches) {
  test(`the answer to a revocation says how far it got: ${revoked.kind}`, async (t) => {
    const { ask } = await startAdmin(t, revoked)
    const body = '{"kind":"kid","value":"k"}'
    const answer = await ask({ method: 'POST', target: '/revoke', body, headers: withToken })
    const { message, ...rest } = JSON.parse(answer.body) as { message: string }
    assert.match(message, words)
    assert.deepEqual(rest, { reach: revoked.kind, ...more })
  })
}

test('a body that is too long is refused with an answer', async (t) => {
  const { ask, told } = await startAdmin(t)
  const answer = await ask({
    method: 'POST',
    target: '/revoke',
    body: 'x'.repeat(256 * 1024),
    headers: withToken,
  })
  assert.equal(answer.status, 413)
  assert.deepEqual(told, [])
})

test('another method than the endpoint’s is refused, the token or not', async (t) => {
  const { ask, told } = await startAdmin(t)
  for (const [method, target] of [
    ['POST', '/config'],
    ['GET', '/drain'],
    ['GET', '/shutdown'],
    ['POST', '/log-level'],
    ['HEAD', '/drain'],
  ] as const) {
    assert.equal((await ask({ method, target, headers: withToken })).status, 405)
  }
  assert.deepEqual(told, [])
})

test('what is not there is 404', async (t) => {
  const { ask } = await startAdmin(t)
  for (const target of [
    '/nothing',
    '/config/',
    '//config',
    '/__proto__',
    '/toString',
    '/CONFIG',
    '/drain/../config',
  ]) {
    assert.equal((await ask({ target })).status, 404, target)
  }
})

const sent = { method: 'POST', target: '/drain', body: '', headers: withToken }

for (const host of [
  'evil.example',
  '127.0.0.1.nip.io',
  'localhost.evil.example',
  '10.0.0.1',
  '192.0.2.1:15000',
  '0.0.0.0',
  '[::]',
  '127.0.0.1@evil.example',
  '',
]) {
  test(`a Host ${JSON.stringify(host)} is foreign, whatever is asked`, async (t) => {
    const { ask, told } = await startAdmin(t)
    for (const request of [{ target: '/config' }, { target: '/nothing' }, sent]) {
      const { status } = await ask({ ...request, host })
      assert.ok(status === 403 || (host === '' && status === 400), String(status))
    }
    assert.deepEqual(told, [])
  })
}

for (const host of [
  '127.0.0.1',
  '127.0.0.1:15000',
  '127.8.8.8',
  'localhost',
  'localhost:1',
  'LOCALHOST',
  '[::1]',
  '[::1]:15000',
  '[0:0:0:0:0:0:0:1]',
]) {
  test(`a Host ${host} is of this machine`, async (t) => {
    const { ask } = await startAdmin(t)
    assert.equal((await ask({ target: '/config', host })).status, 200)
  })
}

for (const origin of [
  'https://evil.example',
  'null',
  'http://localhost',
  'http://127.0.0.1:1',
  'https://127.0.0.1:15000',
  'http://127.0.0.1:15000.evil.example',
  '',
]) {
  test(`an Origin ${JSON.stringify(origin)} is foreign, with the token too`, async (t) => {
    const { ask, told } = await startAdmin(t)
    const headers = [...withToken, 'Origin', origin]
    assert.equal((await ask({ target: '/config', host: '127.0.0.1:15000', headers })).status, 403)
    assert.equal((await ask({ ...sent, host: '127.0.0.1:15000', headers })).status, 403)
    assert.deepEqual(told, [])
  })
}

test('the Origin of this listener’s own page is not foreign', async (t) => {
  const { ask } = await startAdmin(t)
  const headers = ['Origin', 'http://127.0.0.1:15000', 'Sec-Fetch-Site', 'same-origin']
  assert.equal((await ask({ target: '/config', host: '127.0.0.1:15000', headers })).status, 200)
})

for (const site of ['cross-site', 'same-site', '', 'other']) {
  test(`a request of the site ${JSON.stringify(site)} is foreign, with the token too`, async (t) => {
    const { ask, told } = await startAdmin(t)
    assert.equal((await ask({ target: '/config', headers: ['Sec-Fetch-Site', site] })).status, 403)
    assert.equal((await ask({ ...sent, headers: [...withToken, 'Sec-Fetch-Site', site] })).status, 403)
    assert.deepEqual(told, [])
  })
}

test('a request that a person typed is not foreign', async (t) => {
  const { ask } = await startAdmin(t)
  assert.equal((await ask({ target: '/config', headers: ['Sec-Fetch-Site', 'none'] })).status, 200)
})

test('the page is served to everybody on this machine, and may run and ask nothing but its own', async (t) => {
  const { ask } = await startAdmin(t)
  const page = await ask({ target: '/' })
  assert.equal(page.status, 200)
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  const policy = String(page.headers['content-security-policy'])
  for (const rule of [
    "default-src 'none'",
    "script-src 'self'",
    "frame-ancestors 'none'",
    "connect-src 'self'",
  ])
    assert.ok(policy.split('; ').includes(rule), rule)
  const sources = [...page.body.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1] as string)
  assert.notEqual(sources.length, 0)
  for (const target of sources) {
    const file = await ask({ target })
    assert.equal(file.status, 200, target)
    assert.match(
      String(file.headers['content-type']),
      target.endsWith('.css') ? /^text\/css/ : /^text\/javascript/,
    )
    // A browser knows no types.
    assert.doesNotMatch(file.body, /\bimport type\b/)
  }
  assert.equal((await ask({ target: '/', method: 'POST' })).status, 405)
  assert.equal((await ask({ target: '/', host: 'evil.example' })).status, 403)
  assert.equal((await ask({ target: '/page/../admin.ts' })).status, 404)
})

/** Opens the stream, reads until it has so many events, and leaves. */
async function readEvents(
  port: number,
  count: number,
  headers = withToken,
): Promise<{ status: number; events: string[] }> {
  const response = await fetch(`http://127.0.0.1:${port}/events`, { headers: Object.fromEntries([headers]) })
  const events: string[] = []
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk as Uint8Array).toString()
    events.splice(0, Infinity, ...text.split('\n\n').slice(0, -1))
    if (events.length >= count || response.status !== 200) break
  }
  return { status: response.status, events }
}

test('events are a state, then decisions as they are made, for who has the token; a stream that is left is ended', async (t) => {
  const { port, told } = await startAdmin(t)
  assert.equal((await readEvents(port, 1, ['Authorization', 'Bearer wrong'])).status, 401)
  assert.deepEqual(told, [])
  const { events } = await readEvents(port, 2)
  assert.deepEqual(events, [
    `event: state\ndata: ${JSON.stringify(state)}`,
    `event: decision\ndata: ${JSON.stringify({ ...made, steps: stepsOf(made) })}`,
  ])
  await eventually(async () => told.some((each) => each === 'no longer watched'))
})

test('so many pages may be open, and no more', async (t) => {
  const { port, told } = await startAdmin(t)
  const leaving = new AbortController()
  t.after(() => leaving.abort())
  const openPage = () =>
    fetch(`http://127.0.0.1:${port}/events`, {
      headers: Object.fromEntries([withToken]),
      signal: leaving.signal,
    })
  const statuses: number[] = []
  for (let i = 0; i < 9; i++) statuses.push((await openPage()).status)
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 200, 200, 200, 503])
  leaving.abort()
  await eventually(async () => told.filter((each) => each === 'no longer watched').length === 8)
  assert.equal((await readEvents(port, 1)).status, 200)
})

test('a page that is open stays open, whoever connects', async (t) => {
  const { port } = await startAdmin(t)
  const { body } = await fetch(`http://127.0.0.1:${port}/events`, {
    headers: Object.fromEntries([withToken]),
    signal: AbortSignal.timeout(10_000),
  })
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader()
  const held = Array.from({ length: maxConnections + 1 }, () =>
    connect(port, '127.0.0.1').on('error', () => undefined),
  )
  t.after(() => held.forEach((socket) => socket.destroy()))
  await Promise.race(held.map((socket) => once(socket.resume(), 'close')))
  // The state comes each second.
  let heard = ''
  while (heard.split('event: state').length < 3) {
    const { done, value } = (await reader?.read()) ?? { done: true }
    assert.equal(done, false)
    heard += value ?? ''
  }
})
