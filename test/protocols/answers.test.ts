// Answers of every form, in each version and on each way: a client sees through sidecars what it would see without them.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as requestHttp1, type IncomingMessage } from 'node:http'
import { connect } from 'node:http2'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import type { Asked, Version } from './peers.ts'
import { serverVersions, startVersionedApp, type Handler } from './versioned-app.ts'
import { startWay, allWays } from './ways.ts'

const clients: readonly Version[] = ['HTTP/1.1', 'h2c']

interface Seen {
  readonly status: number
  readonly informational: readonly string[]
  readonly fields: Readonly<Record<string, unknown>>
  readonly body: string
  readonly trailers: Readonly<Record<string, unknown>>
}

type To = Pick<Asked, 'port' | 'host' | 'headers'>

interface Row {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly app: Handler
  readonly seen: Partial<Seen>
}

/** Both are asked for them by the same name. */
interface Informing {
  writeEarlyHints(hints: Record<string, string>): void
}

const long = 'v'.repeat(20_000)

const rows: Readonly<Record<string, Row>> = {
  nothing: { app: (_request, response) => void response.end(), seen: { status: 200, body: '' } },
  'no content': {
    app(_request, response) {
      response.statusCode = 204
      response.end()
    },
    seen: { status: 204, body: '' },
  },
  'not modified': {
    app(_request, response) {
      response.statusCode = 304
      response.setHeader('etag', '"e"')
      response.end()
    },
    seen: { status: 304, body: '', fields: { etag: '"e"' } },
  },
  'to HEAD, with the length of what is not there': {
    method: 'HEAD',
    app(_request, response) {
      response.setHeader('content-length', '12345')
      response.end()
    },
    seen: { status: 200, body: '', fields: { 'content-length': '12345' } },
  },
  'with early hints': {
    app(_request, response) {
      ;(response as unknown as Informing).writeEarlyHints({ link: '</style.css>; rel=preload' })
      response.end('after hints')
    },
    seen: { body: 'after hints', informational: ['103 </style.css>; rel=preload'] },
  },
  'with long fields, and two cookies': {
    app(_request, response) {
      response.setHeader('x-long', long)
      response.setHeader('set-cookie', ['a=1', 'b=2'] as unknown as string)
      response.end('long')
    },
    seen: { body: 'long', fields: { 'x-long': long, 'set-cookie': ['a=1', 'b=2'] } },
  },
  'with trailers behind a body': {
    headers: { te: 'trailers' },
    app(_request, response) {
      response.setHeader('trailer', 'x-sum')
      response.write('body')
      response.addTrailers({ 'x-sum': 'sum' })
      response.end()
    },
    seen: { body: 'body', trailers: { 'x-sum': 'sum' } },
  },
  'with trailers behind no body': {
    headers: { te: 'trailers' },
    app(_request, response) {
      response.setHeader('trailer', 'x-sum')
      response.flushHeaders()
      response.addTrailers({ 'x-sum': 'sum' })
      response.end()
    },
    seen: { body: '', trailers: { 'x-sum': 'sum' } },
  },
  'of a status that nobody registered': {
    app(_request, response) {
      response.statusCode = 299
      response.end('odd')
    },
    seen: { status: 299, body: 'odd' },
  },
}

async function seeHttp1(to: To, { method = 'GET', headers = {} }: Row): Promise<Seen> {
  const fields = { Host: to.host, ...to.headers, ...headers }
  const where = { host: '127.0.0.1', port: to.port, method, headers: fields, agent: false as const }
  const request = requestHttp1({ ...where, maxHeaderSize: 65_536 }).end()
  const informational: string[] = []
  request.on('information', (part) =>
    informational.push(`${part.statusCode} ${String(part.headers['link'])}`),
  )
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const body = await text(response)
  const { statusCode: status = 0, headers: seen, trailers } = response
  return { status, informational, fields: seen, body, trailers }
}

async function seeHttp2(t: TestContext, to: To, { method = 'GET', headers = {} }: Row): Promise<Seen> {
  const session = connect(`http://127.0.0.1:${to.port}`)
  t.after(() => session.destroy())
  const pseudo = { ':path': '/', ':method': method, ':authority': to.host }
  const stream = session.request({ ...pseudo, ...to.headers, ...headers })
  const informational: string[] = []
  let trailers: Record<string, unknown> = {}
  stream.on('headers', (part) => informational.push(`${part[':status']} ${String(part['link'])}`))
  stream.on('trailers', (fields) => (trailers = fields))
  const [fields] = (await once(stream, 'response')) as [Record<string, unknown>]
  return { status: Number(fields[':status']), informational, fields, body: await text(stream), trailers }
}

function assertSeen(seen: Seen, expected: Partial<Seen>): void {
  const { fields = {}, trailers = {}, ...rest } = expected
  for (const [name, value] of Object.entries(rest)) assert.deepEqual(seen[name as keyof Seen], value, name)
  for (const [name, value] of Object.entries(fields)) assert.deepEqual(seen.fields[name], value, name)
  for (const [name, value] of Object.entries(trailers)) assert.equal(seen.trailers[name], value, name)
}

for (const way of allWays) {
  for (const server of serverVersions) {
    for (const client of clients) {
      test(`${client} ${way}, which speaks ${server}`, async (t) => {
        const app = await startVersionedApp(t, server, () => undefined)
        const { to } = await startWay(t, way, app.origin)
        for (const [name, row] of Object.entries(rows)) {
          await t.test(`an answer ${name}`, { timeout: 10_000 }, async (inner) => {
            app.handler = row.app
            const seen = client === 'HTTP/1.1' ? await seeHttp1(to, row) : await seeHttp2(inner, to, row)
            assertSeen(seen, row.seen)
          })
        }
      })
    }
  }
}
