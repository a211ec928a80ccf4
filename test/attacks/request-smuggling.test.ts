// The attacker wants the app to see a request that the sidecar never judged: hidden in the body, the framing or the version of another.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rawValues } from '../support/app.ts'
import { startMesh, type TestMesh } from '../support/mesh.ts'
import { asUser, closed, forName, handleName, open, speak, verdict } from './attack.ts'

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\nX-Pomerium-Authenticated-User-Id: root\r\n\r\n'
const ok = 'HTTP/1.1 200 OK'

interface Row {
  readonly name: string
  /** The request line; default: `POST / HTTP/1.1`. */
  readonly line?: string
  readonly lines?: readonly string[]
  readonly body?: string
}

async function say(
  mesh: TestMesh,
  { line = 'POST / HTTP/1.1', lines = [], body = '' }: Row,
): Promise<string> {
  const [name, token] = await asUser(mesh, 'alice')
  const head = [line, 'Host: a', `${name}: ${token}`, 'Connection: close', ...lines].join('\r\n')
  return speak(mesh.sidecars.App.inbound, `${head}\r\n\r\n${body}`)
}

const chunks = `5\r\nhello\r\n0\r\n\r\n`

const refused: Row[] = [
  { name: 'CL.TE', lines: ['Content-Length: 6', 'Transfer-Encoding: chunked'], body: `0\r\n\r\n${smuggled}` },
  {
    name: 'TE.CL',
    lines: ['Transfer-Encoding: chunked', 'Content-Length: 4'],
    body: `5c\r\n${smuggled}0\r\n\r\n`,
  },
  { name: 'CL.CL', lines: ['Content-Length: 0', `Content-Length: ${smuggled.length}`], body: smuggled },
  { name: 'the same length twice', lines: ['Content-Length: 5', 'Content-Length: 5'], body: 'hello' },
  { name: 'a list of lengths', lines: ['Content-Length: 5, 5'], body: 'hello' },
  { name: 'a signed length', lines: ['Content-Length: +5'], body: 'hello' },
  { name: 'a negative length', lines: ['Content-Length: -1'], body: smuggled },
  { name: 'a hexadecimal length', lines: ['Content-Length: 0x5'], body: 'hello' },
  { name: 'a fractional length', lines: ['Content-Length: 5.0'], body: 'hello' },
  { name: 'an empty length', lines: ['Content-Length:'], body: smuggled },
  { name: 'a length that overflows', lines: ['Content-Length: 18446744073709551616'], body: smuggled },
  {
    name: 'TE.TE, chunked twice',
    lines: ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
    body: chunks,
  },
  { name: 'TE.TE, chunked before identity', lines: ['Transfer-Encoding: chunked, identity'], body: chunks },
  {
    name: 'TE.TE, identity in a line of its own before chunked',
    lines: ['Transfer-Encoding: identity', 'Transfer-Encoding: chunked'],
    body: chunks,
  },
  { name: 'TE identity', lines: ['Transfer-Encoding: identity', 'Content-Length: 5'], body: 'hello' },
  {
    name: 'TE gzip, chunked: a coding that would be lost on the way',
    lines: ['Transfer-Encoding: gzip, chunked'],
    body: chunks,
  },
  { name: 'TE with a letter more', lines: ['Transfer-Encoding: xchunked'], body: chunks },
  { name: 'TE with a parameter', lines: ['Transfer-Encoding: chunked;q=1'], body: chunks },
  { name: 'TE in quotes', lines: ['Transfer-Encoding: "chunked"'], body: chunks },
  { name: 'TE with a vertical tabulator', lines: ['Transfer-Encoding: \x0bchunked'], body: chunks },
  { name: 'TE with a blank before the colon', lines: ['Transfer-Encoding : chunked'], body: chunks },
  { name: 'TE folded', lines: ['Transfer-Encoding:\r\n chunked'], body: chunks },
  { name: 'TE behind a line feed', lines: ['X: y\nTransfer-Encoding: chunked'], body: chunks },
  { name: 'TE that is empty', lines: ['Transfer-Encoding:', 'Content-Length: 5'], body: 'hello' },
  { name: 'TE in HTTP/1.0', line: 'POST / HTTP/1.0', lines: ['Transfer-Encoding: chunked'], body: chunks },
  { name: 'HTTP/0.9', line: 'GET / HTTP/0.9' },
  { name: 'HTTP/0.9 without a version', line: 'GET /' },
  { name: 'HTTP/1.2', line: 'GET / HTTP/1.2' },
  { name: 'HTTP/2.0 in text', line: 'GET / HTTP/2.0' },
  { name: 'a tabulator in the request line', line: 'GET\t/\tHTTP/1.1' },
  { name: 'a line feed in the request line', line: 'GET / HTTP/1.1\nX: y' },
  { name: 'a method in lower case', line: 'get / HTTP/1.1' },
  { name: 'a method of no known name', line: 'SMUGGLE / HTTP/1.1' },
  {
    name: 'an upgrade to WebSocket, with a request in its body',
    line: 'GET / HTTP/1.1',
    lines: ['Connection: Upgrade', 'Upgrade: websocket', `Content-Length: ${smuggled.length}`],
    body: smuggled,
  },
  { name: 'a target that is no path', line: 'GET a HTTP/1.1' },
  { name: 'a target that is *, for GET', line: 'GET * HTTP/1.1' },
  { name: 'a target of another scheme', line: 'GET file:///etc/passwd HTTP/1.1' },
  { name: 'a target with user information', line: 'GET http://a@b/ HTTP/1.1' },
  { name: 'a target with a null byte', line: 'GET /a\0b HTTP/1.1' },
  { name: 'a target with a letter that is none of ASCII', line: 'GET /\xe9 HTTP/1.1' },
]

test('what has no certain framing, version or target is refused whole', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const row of refused) {
    await t.test(row.name, async () => {
      const before = mesh.apps.App.received.length
      const answer = await say(mesh, row)
      assert.match(answer, /^HTTP\/1\.1 400 /)
      assert.match(verdict(answer), /^request_(malformed|ambiguous)$/)
      assert.equal(answer.match(/^HTTP\/1\.1 /gm)?.length, 1)
      assert.equal(mesh.apps.App.received.length, before)
    })
  }
})

const brokenBodies: Row[] = [
  { name: 'a chunk size that is hexadecimal by 0x', body: `0x5\r\nhello\r\n0\r\n\r\n` },
  { name: 'a negative chunk size', body: `-5\r\nhello\r\n0\r\n\r\n` },
  { name: 'a chunk size of 17 digits', body: `fffffffffffffffff\r\nhello\r\n0\r\n\r\n` },
  { name: 'a blank behind a chunk size', body: `5 \r\nhello\r\n0\r\n\r\n` },
  { name: 'line feeds alone between chunks', body: `5\nhello\n0\n\n` },
  { name: 'a line feed alone behind a chunk extension', body: `5;a\nhello\r\n0\r\n\r\n` },
  { name: 'a carriage return in a chunk extension', body: `5;a\rb\r\nhello\r\n0\r\n\r\n` },
  { name: 'a chunk that is longer than it says', body: `4\r\nhello\r\n0\r\n\r\n` },
  { name: 'no line end behind a chunk', body: `5\r\nhello0\r\n\r\n${smuggled}` },
]

test('a body whose chunks are broken never ends as if it were whole', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const row of brokenBodies) {
    await t.test(row.name, async () => {
      mesh.apps.App.received.length = 0
      const lines = ['Transfer-Encoding: chunked']
      assert.equal(verdict(await say(mesh, { ...row, lines })), 'request_malformed')
      assert.equal(mesh.apps.App.received.length, 0)
    })
  }
})

const carried: (Row & { readonly expected: string })[] = [
  {
    name: 'a request as a body by length',
    lines: [`Content-Length: ${smuggled.length}`],
    body: smuggled,
    expected: smuggled,
  },
  {
    name: 'a request as a body by chunks',
    lines: ['Transfer-Encoding: chunked'],
    body: `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`,
    expected: smuggled,
  },
  {
    name: 'a request in a chunk extension',
    lines: ['Transfer-Encoding: chunked'],
    body: `5;x="GET /smuggled HTTP/1.1"\r\nhello\r\n0\r\n\r\n`,
    expected: 'hello',
  },
  {
    name: 'a request as trailers',
    lines: ['Transfer-Encoding: chunked'],
    body: `5\r\nhello\r\n0\r\nX-Smuggled: GET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n`,
    expected: 'hello',
  },
  {
    name: 'a body of a GET',
    line: 'GET / HTTP/1.1',
    lines: [`Content-Length: ${smuggled.length}`],
    body: smuggled,
    expected: smuggled,
  },
  {
    name: 'a chunked body of a GET',
    line: 'GET / HTTP/1.1',
    lines: ['Transfer-Encoding: chunked'],
    body: `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`,
    expected: smuggled,
  },
  {
    name: 'a body of a DELETE',
    line: 'DELETE / HTTP/1.1',
    lines: ['Content-Length: 5'],
    body: 'hello',
    expected: 'hello',
  },
  {
    name: 'a length with zeros before it',
    lines: ['Content-Length: 00005'],
    body: 'hello',
    expected: 'hello',
  },
  {
    name: 'an upgrade to HTTP/2 that nobody offered',
    line: 'GET / HTTP/1.1',
    lines: [
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAAQAAP__',
      'Content-Length: 5',
    ],
    body: 'hello',
    expected: 'hello',
  },
]

test('what is a body stays a body: the app sees one request, with the identity of that one', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const row of carried) {
    await t.test(row.name, async () => {
      const before = mesh.apps.App.received.length
      assert.equal(verdict(await say(mesh, row)), ok)
      const received = mesh.apps.App.received.slice(before)
      assert.deepEqual(
        received.map(({ url, body }) => [url, body]),
        [['/', row.expected]],
      )
      assert.deepEqual(rawValues(received[0], 'x-pomerium-authenticated-user-id'), ['alice-id'])
      assert.deepEqual(rawValues(received[0], 'upgrade'), [])
    })
  }
})

test('a request behind another on the same connection is judged by itself', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const [name, token] = await asUser(mesh, 'alice')
  const good = `POST /good HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\nContent-Length: 5\r\n\r\nhello`
  const bad = `GET /bad HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`
  const answer = await speak(mesh.sidecars.App.inbound, good + bad)
  assert.deepEqual(answer.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 401'])
  assert.deepEqual(
    mesh.apps.App.received.map(({ url }) => url),
    ['/good'],
  )
})

test('what is left of a refused body is not read as a request', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const [name, token] = await asUser(mesh, 'alice')
  const inner = `GET /inner HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\n\r\n`
  for (const framing of [`Content-Length: ${inner.length + 10}`, 'Transfer-Encoding: chunked']) {
    const socket = await open(mesh.sidecars.App.inbound)
    socket.resume()
    socket.write(`POST /outer HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`)
    await new Promise((resolve) => socket.once('data', resolve))
    socket.write(inner)
    await closed(socket)
  }
  assert.equal(mesh.apps.App.received.length, 0)
})

test('an expectation that nobody can meet is refused with a code and a request id, as all refusals are', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const answer = await say(mesh, { name: '', lines: ['Expect: a-miracle', 'Content-Length: 0'] })
  assert.match(answer, /^x-onbehalf-error: \S+\r$/m)
  assert.match(answer, /^x-onbehalf-request-id: \S+\r$/m)
  assert.equal(mesh.apps.App.received.length, 0)
})

test('Expect: 100-continue brings a body in once, and none of an unverified request', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const row = { name: '', lines: ['Expect: 100-continue', 'Content-Length: 5'], body: 'hello' }
  assert.match(await say(mesh, row), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
  assert.deepEqual(
    mesh.apps.App.received.map(({ body }) => body),
    ['hello'],
  )
  const bare = 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n'
  assert.match(await speak(mesh.sidecars.App.inbound, bare), /^x-onbehalf-error: assertion_missing/m)
  assert.equal(mesh.apps.App.received.length, 1)
})

test('OPTIONS * is judged like any other request', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const bare = 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
  assert.equal(verdict(await speak(mesh.sidecars.App.inbound, bare)), 'assertion_missing')
  assert.equal(verdict(await say(mesh, { name: '', line: 'OPTIONS * HTTP/1.1' })), ok)
  assert.equal(mesh.apps.App.received[0]?.url, '*')
})

test('a smuggled prefix poisons no connection to the app: the next user is herself', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const row of [
    ...refused,
    ...brokenBodies.map((each) => ({ ...each, lines: ['Transfer-Encoding: chunked'] })),
  ]) {
    await say(mesh, row)
  }
  const before = mesh.apps.App.received.length
  const [name, token] = await asUser(mesh, 'bob')
  await speak(
    mesh.sidecars.App.inbound,
    `GET /bob HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\nConnection: close\r\n\r\n`,
  )
  const received = mesh.apps.App.received.slice(before)
  assert.deepEqual(
    received.map(({ url }) => url),
    ['/bob'],
  )
  assert.deepEqual(rawValues(received[0], 'x-pomerium-authenticated-user-id'), ['bob-id'])
  assert.deepEqual(rawValues(received[0], forName), [])
  assert.equal(rawValues(received[0], handleName).length, 1)
})
