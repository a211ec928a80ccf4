// The attacker writes into HTTP/2 what would be framing, a second request or another host in HTTP/1.1.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startMesh } from '../support/mesh.ts'
import { asUser, until } from './attack.ts'
import { flags, frame, literal, openHttp2, typesIn } from './http2-frames.ts'

/** One request made by hand; what stands for the rest of its head, and its body if there is one. */
interface Forged {
  readonly pseudo?: readonly (readonly [name: string, value: string])[]
  readonly fields?: readonly (readonly [name: string, value: string])[]
  readonly body?: string
  /** nghttp2 leaves the one field out, and serves the rest; all else is refused. */
  readonly isLeftOut?: true
}

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
const usual = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'a'],
  [':path', '/first'],
] as const

const forged: Readonly<Record<string, Forged>> = {
  'a length that is too short': { fields: [['content-length', '0']], body: smuggled },
  'a length where there is no body': { fields: [['content-length', '40']] },
  'two lengths': {
    fields: [
      ['content-length', '0'],
      ['content-length', String(smuggled.length)],
    ],
    body: smuggled,
  },
  chunks: { fields: [['transfer-encoding', 'chunked']], body: `0\r\n\r\n${smuggled}` },
  'chunks under a name in capitals': {
    fields: [['Transfer-Encoding', 'chunked']],
    body: `0\r\n\r\n${smuggled}`,
  },
  'a line end in a value': { fields: [['x-a', `b\r\n\r\n${smuggled}`]], isLeftOut: true },
  'a line end in a name': { fields: [[`x-a: b\r\n\r\n${smuggled}x`, 'b']], isLeftOut: true },
  'a bare line feed in a value': {
    fields: [['x-a', 'b\ntransfer-encoding: chunked']],
    body: `0\r\n\r\n${smuggled}`,
    isLeftOut: true,
  },
  'a line end in the path': {
    pseudo: [...usual.slice(0, 3), [':path', `/ HTTP/1.1\r\nHost: a\r\n\r\n${smuggled}`]],
  },
  'a blank in the path': { pseudo: [...usual.slice(0, 3), [':path', '/first HTTP/1.1 x']] },
  'a blank in the method': { pseudo: [[':method', 'GET /smuggled HTTP/1.1\r\nx:'], ...usual.slice(1)] },
  'a line end in the authority': {
    pseudo: [usual[0], usual[1], [':authority', `a\r\n\r\n${smuggled}`], usual[3]],
  },
  'two authorities': { pseudo: [...usual, [':authority', 'b']] },
  'a Host that is another than the authority': { fields: [['host', 'b']] },
  'a name with a colon': { fields: [['x-a:', 'b']], isLeftOut: true },
  'a connection that names the assertion': { fields: [['connection', 'x-pomerium-jwt-assertion']] },
}

/** HEADERS, RST_STREAM, GOAWAY */
const ends: ReadonlySet<number> = new Set([1, 3, 7])

for (const [name, { pseudo = usual, fields = [], body, isLeftOut }] of Object.entries(forged)) {
  test(`${name}: nothing reaches the app but what was permitted`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    const seen: (string | undefined)[] = []
    const names = new Set<string>()
    mesh.apps.App.handler = (request, response) => {
      seen.push(request.url)
      for (const field of Object.keys(request.headers)) names.add(field)
      request.on('error', () => undefined).resume()
      response.end('ok')
    }
    const [assertionName, token] = (await asUser(mesh, 'alice')) as [string, string]
    const all = [...pseudo, ...fields, [assertionName.toLowerCase(), token] as const]
    const head = Buffer.concat(all.map(([field, value]) => literal(field, value)))
    const socket = await openHttp2(mesh.sidecars.App.inbound)
    t.after(() => socket.destroy())
    let heard = Buffer.alloc(0)
    socket.on('data', (part: Buffer) => (heard = Buffer.concat([heard, part])))
    const hasBody = body !== undefined
    socket.write(frame('headers', flags.endHeaders | (hasBody ? 0 : flags.endStream), 1, head))
    if (hasBody) socket.write(frame('data', flags.endStream, 1, Buffer.from(body)))
    const isOver = () =>
      typesIn(heard).some((type) => ends.has(type)) || socket.closed || socket.readableEnded
    await until('it is answered, reset, or the connection is ended', isOver)
    assert.deepEqual(seen, isLeftOut ? ['/first'] : [])
    assert.deepEqual(
      fields.filter(([field]) => names.has(field)),
      [],
    )
  })
}
