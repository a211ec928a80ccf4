// A table that cannot fail proves nothing: rows against relays that lie about one thing each.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { runRow } from './exchange.ts'
import type { Ground } from './ground.ts'
import type { Row } from './row.ts'
import { answered, chunked, chunks, get, ok, okChunked, passes, post, untilClient } from './shapes.ts'
import { startUpstream } from './upstream.ts'

/** What a relay makes of the bytes on their way; the first connection alone lies, so that probes are served. */
interface Lie {
  readonly up?: (bytes: string) => string
  readonly down?: (bytes: string) => string
  /** Does what it likes with both ends, instead. */
  readonly whole?: (client: Socket, upstream: Socket) => void
}

/** How long a row waits for what a liar never does: all liars at once. */
const shortMs = 3_000

async function against(t: TestContext, row: Row, lie: Lie, deadlineMs?: number): Promise<string[]> {
  const upstream = await startUpstream()
  t.after(() => upstream.close())
  let connections = 0
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const onward = connect({ port: upstream.port, host: '127.0.0.1', allowHalfOpen: true })
    for (const socket of [client, onward]) socket.setEncoding('latin1').on('error', () => undefined)
    client.once('close', () => onward.destroy())
    onward.once('close', () => client.destroy())
    const own = connections++ === 0 ? lie : {}
    if (own.whole !== undefined) {
      own.whole(client, onward)
      return
    }
    client.on('data', (part: string) => onward.write(own.up?.(part) ?? part, 'latin1'))
    onward.on('data', (part: string) => client.write(own.down?.(part) ?? part, 'latin1'))
    client.once('end', () => onward.end())
    onward.once('end', () => client.end())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const ground: Ground = { side: 'unlisted', port, upstream, words: { host: 'a', auth: '' } }
  return runRow(ground, row, deadlineMs)
}

/** A relay adds no Date, so each answer has one. */
const date = 'Date: Thu, 01 Jan 1970 00:00:00 GMT'
const dated = (body: string) => [ok(body, date)]
const plain = passes('', '', get(), {}, { answers: dated('ok') })
const posted = passes('', '', post('hello'), { body: 'hello' }, { answers: dated('ok') })
const inChunks = passes(
  '',
  '',
  chunked(chunks('hello', 'X-A: b')),
  { body: 'hello', trailers: ['X-A: b'] },
  { answers: dated('ok') },
)
const brokenOff = answered(
  '',
  '',
  [okChunked('5\r\nfirst\r\n', date), untilClient('first'), { act: 'end' }],
  'broken off',
)

test('an honest relay holds every row', async (t) => {
  for (const row of [plain, posted, inChunks, brokenOff]) assert.deepEqual(await against(t, row, {}), [])
})

const lies: readonly [name: string, row: Row, lie: Lie, expected: RegExp][] = [
  ['sends the request twice', plain, { up: (bytes) => bytes + bytes }, /count of requests/],
  ['sends nothing', plain, { up: () => '' }, /not in time/],
  ['changes the target', plain, { up: (bytes) => bytes.replace('/x', '/y') }, /the request line/],
  ['lets a body grow', posted, { up: (bytes) => bytes.replace('hello', 'hello!') }, /count of requests/],
  ['lets a body shrink', posted, { up: (bytes) => bytes.replace('hello', 'hell') }, /not in time/],
  ['changes a body', posted, { up: (bytes) => bytes.replace('hello', 'HELLO') }, /the body at the upstream/],
  [
    'adds a length to chunks',
    inChunks,
    { up: (bytes) => bytes.replace('\r\n\r\n', '\r\nContent-Length: 5\r\n\r\n') },
    /a length beside a transfer coding/,
  ],
  ['drops a trailer', inChunks, { up: (bytes) => bytes.replace('X-A: b\r\n', '') }, /the trailers/],
  ['ends lines by line feeds', plain, { up: (bytes) => bytes.replaceAll('\r\n', '\n') }, /a line feed alone/],
  [
    'lets Expect through',
    plain,
    { up: (bytes) => bytes.replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n') },
    /expect reached the upstream/,
  ],
  [
    'lets what is forged through',
    plain,
    { up: (bytes) => bytes.replace('\r\n\r\n', '\r\nX-A: forged\r\n\r\n') },
    /what was forged/,
  ],
  [
    'lets an identity out',
    plain,
    { up: (bytes) => bytes.replace('\r\n\r\n', '\r\nx_pomerium_a: b\r\n\r\n') },
    /an identity leaves the mesh/,
  ],
  ['adds a byte to an answer', plain, { down: (bytes) => `${bytes}!` }, /no status line|left at the client/],
  ['adds an answer', plain, { down: (bytes) => bytes + ok('poison') }, /the next answer: "poison"/],
  [
    'takes a byte of an answer',
    plain,
    { down: (bytes) => bytes.slice(0, -1) },
    /not in time|no status line|the body/,
  ],
  ['changes an answer', plain, { down: (bytes) => bytes.replace('ok', 'no') }, /the body at the client/],
  ['changes a status', plain, { down: (bytes) => bytes.replace('200 OK', '201 OK') }, /the status/],
  [
    'says close and does not',
    plain,
    { down: (bytes) => bytes.replace('\r\n', '\r\nConnection: close\r\n') },
    /connection closes|behind the last answer/,
  ],
  [
    'ends what broke off as if it were whole',
    brokenOff,
    {
      whole(client, upstream) {
        client.pipe(upstream)
        upstream.on('data', (part: string) => client.write(part, 'latin1'))
        upstream.once('end', () => client.end('0\r\n\r\n'))
      },
    },
    /whole answers: 1/,
  ],
  [
    'answers by itself',
    plain,
    { whole: (client) => client.once('data', () => client.write(ok('ok', date))) },
    /count of requests/,
  ],
  ['resets', plain, { whole: (client) => client.once('data', () => client.resetAndDestroy()) }, /was reset/],
]

test('a relay that lies is found out', { concurrency: true }, async (t) => {
  const runs = lies.map(([name, row, lie, expected]) =>
    t.test(`one that ${name}`, async (sub) => {
      const problems = await against(sub, row, lie, shortMs)
      assert.ok(
        problems.some((problem) => expected.test(problem)),
        problems.join('\n'),
      )
    }),
  )
  await Promise.all(runs)
})
