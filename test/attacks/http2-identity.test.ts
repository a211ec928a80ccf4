// The attacker speaks HTTP/2, and wants an identity of his own making to reach the app by what HTTP/1.1 has not: pseudo
// fields, blocks of fields in several frames, tables of fields, crumbs of cookies. The app may be his too.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { assertionName, asUser, forName, startCanned, until } from './attack.ts'
import { flags, frame, literal, openHttp2, typesIn } from './http2-frames.ts'

type Field = readonly [name: string, value: string]

interface Attempt {
  /** The whole head, in the order in which it is sent. */
  readonly fields: (assertion: Field) => readonly Field[]
  /** Default: one frame; else the octets of the head at which another one begins. */
  readonly cuts?: readonly number[]
  /** Octets of HPACK behind the fields. */
  readonly more?: Buffer
  /** A second block of fields, behind a body. */
  readonly trailers?: readonly Field[]
  /** Default: the app is asked, with the identity that was verified alone. */
  readonly ends?: 'reset' | 'request_ambiguous' | 'assertion_missing' | 'assertion_malformed'
}

const claim = assertionName.toLowerCase()
const method = [':method', 'POST'] as const
const path = [':path', '/'] as const
const pseudo = [method, [':scheme', 'http'], [':authority', 'a'], path] as const
const behind = (...fields: Field[]) => ({ fields: (assertion: Field) => [...pseudo, assertion, ...fields] })
const alone = (...fields: Field[]) => ({ fields: () => [...pseudo, ...fields] })
const withTrailers = (...trailers: Field[]) => ({ ...behind(), trailers })

const pseudoFields: Readonly<Record<string, Attempt>> = {
  'a pseudo field :x-pomerium-user': {
    fields: (assertion) => [...pseudo, [':x-pomerium-user', 'forged'], assertion],
    ends: 'reset',
  },
  'a pseudo field that would be the assertion': {
    fields: ([, token]) => [...pseudo, [`:${claim}`, token]],
    ends: 'reset',
  },
  'a pseudo field that would be the user, beside the assertion': {
    fields: (assertion) => [...pseudo, [':x-pomerium-authenticated-user-id', 'forged'], assertion],
    ends: 'reset',
  },
  'an identity field before the pseudo fields': {
    fields: (assertion) => [['x_pomerium_user', 'forged'], ...pseudo, assertion],
    ends: 'reset',
  },
  'an identity field between the pseudo fields': {
    fields: (assertion) => [method, ['x_pomerium_user', 'forged'], ...pseudo.slice(1), assertion],
    ends: 'reset',
  },
  'the assertion itself before the pseudo fields': {
    fields: (assertion) => [assertion, ...pseudo],
    ends: 'reset',
  },
  'a pseudo field behind the others': {
    fields: (assertion) => [...pseudo.slice(0, 3), assertion, path],
    ends: 'reset',
  },
  'a :status, which only answers have': {
    fields: (assertion) => [...pseudo, [':status', '200'], assertion],
    ends: 'reset',
  },
}

const names = [
  'x_pomerium_jwt_assertion',
  'x.pomerium.jwt.assertion',
  'x-pomerium-jwt_assertion.for',
  'x~pomerium~jwt~assertion~for',
  'x-pomerium-authenticated-user-id',
  'x_pomerium_authenticated_user_email',
  'x.pomerium.original.user.id',
  'x-pomerium-anything',
  'x-onbehalf-chain',
  'x_onbehalf_handle',
  'x.onbehalf.via',
  'uberctx-onbehalf',
]
const aliases = Object.fromEntries(names.map((name) => [name, behind([name, 'forged'])]))
const trailers = Object.fromEntries(
  [...names, claim, forName.toLowerCase()].map((name) => [
    `a trailer ${name}`,
    withTrailers(['x-checksum', 'kept'], [name, 'forged']),
  ]),
)

const blocks: Readonly<Record<string, Attempt>> = {
  'a name that is cut by a CONTINUATION': { ...behind(['x_pomerium_user', 'forged']), cuts: [-12] },
  'a name in three frames': { ...behind(['x_pomerium_user', 'forged']), cuts: [-20, -12] },
  // Node takes no more than eight frames behind the first.
  'each part of a field in a frame of its own': {
    ...behind(['x_pomerium_user', 'forged']),
    cuts: [-24, -23, -22, -12, -7, -6, -3, -1],
  },
  'a second assertion behind a CONTINUATION': {
    ...behind([claim, 'forged']),
    cuts: [-33],
    ends: 'request_ambiguous',
  },
  'the assertion in two fields': {
    fields: ([name, token]) => [...pseudo, [name, token.slice(0, 200)], [name, token.slice(200)]],
    ends: 'request_ambiguous',
  },
  'the assertion twice': {
    fields: (assertion) => [...pseudo, assertion, assertion],
    ends: 'request_ambiguous',
  },
  'an assertion that is empty beside the good one': {
    ...behind([claim, '']),
    ends: 'request_ambiguous',
  },
  'two assertions in one field': {
    fields: ([name, token]) => [...pseudo, [name, `forged, ${token}`]],
    ends: 'assertion_malformed',
  },
  // A literal that is kept in the table, and then what stands there, twice (RFC 7541 sections 6.2.1 and 6.1).
  'an identity field from the table': {
    ...behind(),
    more: Buffer.concat([kept('x_pomerium_user', 'forged'), Buffer.from([0xbe, 0xbe])]),
  },
  'a second assertion from the table': {
    ...alone(),
    more: Buffer.concat([kept(claim, 'forged'), Buffer.from([0xbe])]),
    ends: 'request_ambiguous',
  },
  'trailers with pseudo fields': { ...withTrailers([':x-pomerium-user', 'forged']), ends: 'reset' },
  'an assertion that comes as a trailer alone': {
    ...alone(),
    trailers: [[claim, 'forged']],
    ends: 'assertion_missing',
  },
}

const nominations: Readonly<Record<string, Attempt>> = Object.fromEntries(
  ['connection', 'te', 'proxy-connection', 'keep-alive', 'upgrade'].flatMap((name) => [
    [`${name}: ${claim}`, { ...behind([name, claim]), ends: 'reset' } as const],
    [`${name}: close, ${claim}`, { ...behind([name, `close, ${claim}`]), ends: 'reset' } as const],
  ]),
)

const crumbs: Readonly<Record<string, Attempt>> = {
  'crumbs that look like the assertion': behind(['cookie', 'a=b'], ['cookie', `${claim}=forged`]),
  'crumbs that look like a field': behind(['cookie', `${claim}: forged`], ['cookie', `${claim}: forged`]),
  'crumbs in place of the assertion': {
    fields: ([name, token]) => [
      ...pseudo,
      ['cookie', `${name}=${token.slice(0, 200)}`],
      ['cookie', token.slice(200)],
    ],
    ends: 'assertion_missing',
  },
}

/** Indexed by the table from here on (RFC 7541 section 6.2.1). */
function kept(name: string, value: string): Buffer {
  const bytes = literal(name, value)
  bytes[0] = 0x40
  return bytes
}

function headOf(fields: readonly Field[], more: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([...fields.map(([name, value]) => literal(name, value)), more])
}

/** HEADERS and as many CONTINUATION as there are cuts; a cut below zero counts from the end. */
function blockOf(head: Buffer, cuts: readonly number[], flag: number): Buffer {
  const starts = [0, ...cuts.map((cut) => (cut < 0 ? head.length + cut : cut))]
  const parts = starts
    .map((start, i) => head.subarray(start, starts[i + 1]))
    .filter(({ length }) => length > 0)
  const frames = parts.map((part, i) => {
    const last = i === parts.length - 1 ? flags.endHeaders : 0
    return i === 0 ? frame('headers', flag | last, 1, part) : frame('continuation', last, 1, part)
  })
  return Buffer.concat(frames)
}

function bytesOf({ fields, cuts = [], more, trailers: last }: Attempt, assertion: Field): Buffer {
  const head = headOf(fields(assertion), more)
  if (last === undefined) return blockOf(head, cuts, flags.endStream)
  const body = frame('data', 0, 1, Buffer.from('hi'))
  return Buffer.concat([blockOf(head, cuts, 0), body, blockOf(headOf(last), [], flags.endStream)])
}

/** HEADERS, RST_STREAM, GOAWAY */
const ends: ReadonlySet<number> = new Set([1, 3, 7])

/** Sends it on a connection of its own, until it is answered, reset, or the connection is ended. */
async function attempt(t: TestContext, port: number, bytes: Buffer): Promise<void> {
  const socket = await openHttp2(port)
  t.after(() => socket.destroy())
  let heard = Buffer.alloc(0)
  socket.on('data', (part: Buffer) => (heard = Buffer.concat([heard, part])))
  socket.write(bytes)
  const isOver = () => typesIn(heard).some((type) => ends.has(type)) || socket.closed || socket.readableEnded
  await until('it is answered, reset, or the connection is ended', isOver)
}

/** An app that keeps all that it is told, names and values in turn: of each request, and its trailers behind. */
interface Listening {
  readonly mesh: TestMesh
  readonly seen: string[][]
}

async function behindHttp1(t: TestContext): Promise<Listening> {
  const mesh = await startMesh(t, { run: ['App'] })
  const seen: string[][] = []
  mesh.apps.App.handler = (request, response) => {
    const fields = [...request.rawHeaders]
    seen.push(fields)
    request.on('error', () => undefined).resume()
    request.once('end', () => {
      fields.push(...request.rawTrailers)
      response.end('ok')
    })
  }
  return { mesh, seen }
}

async function behindHttp2(t: TestContext): Promise<Listening> {
  const seen: string[][] = []
  const server = createServer().on('stream', (stream: ServerHttp2Stream, _headers, _flags, raw: string[]) => {
    const fields = [...raw]
    seen.push(fields)
    stream.on('trailers', (_trailers, _trailerFlags, rawTrailers: string[]) => fields.push(...rawTrailers))
    stream.on('error', () => undefined).resume()
    stream.once('end', () => {
      stream.respond()
      stream.end('ok')
    })
  })
  server.on('session', (session) => t.after(() => session.destroy()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  const app = `h2c://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { mesh: await startMesh(t, { run: ['App'], services: { App: { app } } }), seen }
}

const valuesOf = (fields: readonly string[], name: string) =>
  fields.filter((_, i) => i % 2 === 1 && fields[i - 1]?.toLowerCase() === name)

/** The names of what the attacker made, but for cookies: those are the app's own, and it knows who sends them. */
const forgedIn = (fields: readonly string[]) =>
  fields.filter((name, i) => i % 2 === 0 && name.toLowerCase() !== 'cookie' && isForged(name, fields[i + 1]))

function isForged(name: string, value = ''): boolean {
  return name.includes('forged') || value.includes('forged')
}

/** Once, and nobody else. */
function assertIsAlice(fields: readonly string[], token: string): void {
  assert.deepEqual(valuesOf(fields, claim), [token])
  assert.deepEqual(valuesOf(fields, 'x-pomerium-authenticated-user-id'), ['alice-id'])
  assert.deepEqual(valuesOf(fields, 'x-pomerium-authenticated-user-email'), ['alice@companydomain.com'])
}

const all: Readonly<Record<string, Attempt>> = {
  ...pseudoFields,
  ...aliases,
  ...trailers,
  ...blocks,
  ...nominations,
  ...crumbs,
}
for (const [protocol, start] of Object.entries({ 'HTTP/1.1': behindHttp1, 'HTTP/2': behindHttp2 })) {
  test(`an app in ${protocol} is told of the identity that was verified, and of no other`, async (t) => {
    const { mesh, seen } = await start(t)
    const [, token] = (await asUser(mesh, 'alice')) as [string, string]
    for (const [name, row] of Object.entries(all)) {
      await t.test(name, async (each) => {
        seen.length = 0
        mesh.sidecars.App.logs.length = 0
        await attempt(each, mesh.sidecars.App.inbound, bytesOf(row, [claim, token]))
        const fields = seen.flat()
        assert.deepEqual(forgedIn(fields), [])
        if (row.ends === undefined) assertIsAlice(fields, token)
        // Trailers that cannot be read come when the app has been asked already.
        else if (row.ends !== 'reset' || row.trailers === undefined) assert.equal(seen.length, 0)
        if (row.ends === undefined || row.ends === 'reset') return
        assert.ok(mesh.sidecars.App.logs.some((line) => line.includes(`"${row.ends}"`)))
      })
    }
  })
}

const ours = [
  'x-onbehalf-error',
  'x_onbehalf_request_id',
  'X.Onbehalf.Handle',
  'X-Onbehalf-Chain',
  'ot-baggage-onbehalf',
]
/** As any other field: it tells nobody who asks, and Pomeriums say such things of their own answers. */
const theirs = ['x-pomerium-intercepted-response', 'x-pomerium-jwt-assertion']

test('what an app answers says nothing in the name of the sidecar, early, in its head, or at its end', async (t) => {
  const lines = [...ours, ...theirs].map((name) => `${name}: forged\r\n`).join('')
  const early = `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n${lines}\r\n`
  const head = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n${lines}\r\n`
  const port = await startCanned(t, `${early}${head}2\r\nhi\r\n0\r\nX-Checksum: kept\r\n${lines}\r\n`)
  const mesh = await startMesh(t, { run: ['App'], services: { App: { app: `http://127.0.0.1:${port}` } } })
  const session = connect(`http://127.0.0.1:${mesh.sidecars.App.inbound}`)
  t.after(() => session.destroy())
  const [name, token] = (await asUser(mesh, 'alice')) as [string, string]
  const stream = session.request({ ':path': '/', ':authority': hosts.App, [name]: token })
  const told: Record<string, string[]> = {}
  for (const event of ['headers', 'response', 'trailers']) {
    stream.on(event, (_headers: unknown, _flags: unknown, raw: string[]) => (told[event] = raw))
  }
  stream.resume()
  await once(stream, 'close')
  const { headers = [], response = [], trailers: last = [] } = told
  assert.deepEqual(forgedIn(headers), theirs)
  assert.deepEqual(valuesOf(headers, 'link'), ['</a>'])
  assert.deepEqual(forgedIn(response), theirs)
  assert.deepEqual(last, ['x-checksum', 'kept'])
})
