// What apps that speak HTTP/2 may ask of those who call them: few streams at once, to go elsewhere, to come again.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  constants,
  createServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { ask, type Asked } from './peers.ts'
import { startWay } from './ways.ts'

interface App {
  readonly origin: string
  readonly sessions: ServerHttp2Session[]
  onStream: (stream: ServerHttp2Stream, path: string) => void
}

function answer(stream: ServerHttp2Stream, path: string): void {
  stream.resume().once('end', () => {
    stream.respond()
    stream.end(path)
  })
}

async function startApp(t: TestContext, settings: Settings = {}): Promise<App> {
  const server = createServer({ settings })
  const sessions: ServerHttp2Session[] = []
  server.on('session', (session) => sessions.push(session))
  server.on('stream', (stream: ServerHttp2Stream, headers: Record<string, unknown>) => {
    stream.on('error', () => undefined)
    app.onStream(stream, String(headers[':path']))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const session of sessions) session.destroy()
  })
  const origin = `h2c://127.0.0.1:${(server.address() as AddressInfo).port}`
  const app: App = { origin, sessions, onStream: answer }
  return app
}

interface Ground {
  readonly app: App
  readonly say: (path: string, more?: Partial<Asked>) => Promise<string>
}

async function start(t: TestContext, settings?: Settings): Promise<Ground> {
  const app = await startApp(t, settings)
  const { to } = await startWay(t, 'to the app', app.origin)
  const say = async (path: string, more: Partial<Asked> = {}) => {
    const { status, headers, body } = await ask(t, 'h2c', { ...to, path, ...more }).answered
    const content = await text(body)
    const code = headers['x-onbehalf-error']
    return `${status} ${typeof code === 'string' ? code : content}`
  }
  return { app, say }
}

const post = () => ({ method: 'POST', body: Readable.from(['x']) })

test('an app that takes two streams on a connection is never asked for more, and answers all', async (t) => {
  const { app, say } = await start(t, { maxConcurrentStreams: 2 })
  const open = new Map<unknown, number>()
  let most = 0
  app.onStream = (stream, path) => {
    const { session } = stream
    open.set(session, (open.get(session) ?? 0) + 1)
    most = Math.max(most, open.get(session) ?? 0)
    stream.once('close', () => open.set(session, (open.get(session) ?? 0) - 1))
    answer(stream, path)
  }
  const paths = Array.from({ length: 200 }, (_, i) => `/${i}`)
  const answers = await Promise.all(paths.map((path) => say(path, post())))
  assert.deepEqual(
    answers,
    paths.map((path) => `200 ${path}`),
  )
  assert.ok(most <= 2, String(most))
})

test('an app that says that it stops (GOAWAY) ends what it has begun, and is connected anew', async (t) => {
  const { app, say } = await start(t)
  const begun = Promise.withResolvers<ServerHttp2Stream>()
  app.onStream = (stream) => begun.resolve(stream)
  const first = say('/first')
  const stream = await begun.promise
  stream.session?.close()
  app.onStream = answer
  assert.equal(await say('/second', post()), '200 /second')
  stream.respond()
  stream.end('at last')
  assert.equal(await first, '200 at last')
  assert.equal(app.sessions.length, 2)
})

test('an idle connection that an app ends is not used again, by a POST either', async (t) => {
  const { app, say } = await start(t)
  for (let round = 1; round <= 5; round++) {
    assert.equal(await say(`/${round}`, post()), `200 /${round}`)
    const session = app.sessions.at(-1)
    assert.ok(session)
    const closed = once(session, 'close')
    session.close()
    await closed
  }
  assert.equal(app.sessions.length, 5)
})

for (const [name, more] of Object.entries({ GET: () => ({}), POST: post })) {
  test(`a ${name} that an app did not take (REFUSED_STREAM) is sent again`, async (t) => {
    const { app, say } = await start(t)
    let refused = 0
    app.onStream = (stream, path) => {
      if (refused++ > 0) answer(stream, path)
      else stream.close(constants.NGHTTP2_REFUSED_STREAM)
    }
    assert.equal(await say('/again', more()), '200 /again')
    assert.equal(refused, 2)
  })
}

for (const code of ['CANCEL', 'INTERNAL_ERROR', 'ENHANCE_YOUR_CALM'] as const) {
  test(`what an app gives up before an answer (${code}) is not sent again where it is a POST`, async (t) => {
    const { app, say } = await start(t)
    let calls = 0
    app.onStream = (stream) => {
      calls++
      stream.resume().once('end', () => stream.close(constants[`NGHTTP2_${code}`]))
    }
    assert.equal(await say('/once', post()), '502 upstream_reset')
    assert.equal(calls, 1)
  })
}
