// A key set is fetched from its issuer and nobody else, in bounded time and size.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createFetcher } from '../../../sidecar/keys/fetch.ts'
import { makeLeaf, makeRoot, leafExtensions, subjectAltName } from '../../support/certificates.ts'
import { der } from '../../support/der.ts'
import { startHole } from '../../support/hole.ts'

async function listenOn(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

async function issuerOf(t: TestContext, answer: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listenOn(t, createServer(answer))}/jwks.json`
}

function fetcherOf(t: TestContext, url: string, ca?: string, deadlineMs?: number) {
  const fetcher = createFetcher(url, ca, deadlineMs)
  t.after(() => fetcher.close())
  return fetcher
}

test('the document is fetched as it is', async (t) => {
  const url = await issuerOf(t, (request, response) => {
    response.sendDate = false
    response.end(`{"keys":[]} ${request.method} ${request.url} Zoë`)
  })
  assert.deepEqual(await fetcherOf(t, url).fetch(), {
    text: '{"keys":[]} GET /jwks.json Zoë',
    maxAgeMs: undefined,
    clockMs: undefined,
  })
})

const date = 'Thu, 01 Jan 2026 00:00:00 GMT'
for (const [what, headers, clockMs] of [
  ['its Date', { date }, Date.UTC(2026, 0, 1)],
  ['its Date and the Age of the answer', { date, age: '90' }, Date.UTC(2026, 0, 1, 0, 1, 30)],
  ['its Date, where the Age is none', { date, age: '-1' }, Date.UTC(2026, 0, 1)],
  ['nothing, where the Date is none', { date: 'today' }, undefined],
] as const) {
  test(`the clock of an issuer is told by ${what}`, async (t) => {
    const url = await issuerOf(t, (_, response) => response.writeHead(200, headers).end('{}'))
    assert.equal((await fetcherOf(t, url).fetch()).clockMs, clockMs)
  })
}

const ages: readonly (readonly [header: string, maxAgeMs: number | undefined])[] = [
  ['max-age=60', 60_000],
  ['public, max-age=60, must-revalidate', 60_000],
  ['public,MAX-AGE=5', 5_000],
  ['max-age=0', 0],
  ['s-maxage=60', undefined],
  ['x-max-age=60', undefined],
  ['max-age=abc', undefined],
  ['max-age=-1', undefined],
  ['no-store', undefined],
]
for (const [header, maxAgeMs] of ages) {
  test(`Cache-Control: ${header} is an age of ${maxAgeMs ?? 'nothing said'}`, async (t) => {
    const url = await issuerOf(t, (_, response) => response.setHeader('Cache-Control', header).end('{}'))
    assert.equal((await fetcherOf(t, url).fetch()).maxAgeMs, maxAgeMs)
  })
}

for (const status of [204, 304, 400, 401, 403, 404, 500, 503]) {
  test(`an answer with status ${status} is no key set`, async (t) => {
    const url = await issuerOf(t, (_, response) => response.writeHead(status).end())
    await assert.rejects(fetcherOf(t, url).fetch(), { message: `the issuer answered with status ${status}` })
  })
}

for (const status of [301, 302, 303, 307, 308]) {
  test(`a redirect ${status} is not followed`, async (t) => {
    let redirected = 0
    const target = await issuerOf(t, (_, response) => {
      redirected++
      response.end('{"keys":[]}')
    })
    const url = await issuerOf(t, (_, response) => response.writeHead(status, { Location: target }).end())
    await assert.rejects(fetcherOf(t, url).fetch(), { message: `the issuer answered with status ${status}` })
    assert.equal(redirected, 0)
  })
}

test('a document of a megabyte is read', async (t) => {
  const text = 'x'.repeat(1024 * 1024)
  const url = await issuerOf(t, (_, response) => response.end(text))
  assert.equal((await fetcherOf(t, url).fetch()).text.length, text.length)
})

test('a longer document is not', async (t) => {
  const url = await issuerOf(t, (_, response) => response.end('x'.repeat(1024 * 1024 + 1)))
  await assert.rejects(fetcherOf(t, url).fetch(), /longer than 1048576 bytes/)
})

test('a document without end is given up, and the connection with it', async (t) => {
  const closed = Promise.withResolvers<void>()
  const url = await issuerOf(t, (_, response) => {
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    }
    response.on('drain', more).on('close', () => closed.resolve())
    more()
  })
  await assert.rejects(fetcherOf(t, url).fetch(), /longer than/)
  await closed.promise
})

test('after a document that was too long the next one is fetched', async (t) => {
  let asked = 0
  const url = await issuerOf(t, (_, response) =>
    response.end(asked++ === 0 ? 'x'.repeat(2 * 1024 * 1024) : '{"keys":[]}'),
  )
  const fetcher = fetcherOf(t, url)
  await assert.rejects(fetcher.fetch())
  assert.equal((await fetcher.fetch()).text, '{"keys":[]}')
})

const hanging: Readonly<Record<string, RequestListener>> = {
  'that never answers': () => undefined,
  'that never ends its head': (request) => request.socket.write('HTTP/1.1 200 OK\r\nX-A: '),
  'that never ends its body': (_, response) => response.write('{"keys":['),
  'that never ends its refusal': (_, response) => response.writeHead(500).write('x'),
}
for (const [what, answer] of Object.entries(hanging)) {
  test(`an issuer ${what} is given up at the deadline`, async (t) => {
    const url = await issuerOf(t, answer)
    await assert.rejects(fetcherOf(t, url, undefined, 20).fetch(), { name: 'TimeoutError' })
  })
}

test('an issuer that was given up is asked again', async (t) => {
  let asked = 0
  const url = await issuerOf(t, (_, response) => {
    if (asked++ > 0) response.end('{}')
  })
  const fetcher = fetcherOf(t, url, undefined, 200)
  await assert.rejects(fetcher.fetch())
  assert.equal((await fetcher.fetch()).text, '{}')
})

test('an issuer that is not there is an error', async (t) => {
  await assert.rejects(fetcherOf(t, 'http://127.0.0.1:1/').fetch(), { code: 'ECONNREFUSED' })
})

test('an issuer that takes no connection is given up at the deadline', async (t) => {
  const url = `http://127.0.0.1:${await startHole(t)}/`
  const fetching = fetcherOf(t, url, undefined, 200).fetch()
  const late = pause(5_000, 'late', { ref: false })
  await assert.rejects(Promise.race([fetching, late]), { code: 'UND_ERR_CONNECT_TIMEOUT' })
})

test('closing ends what is under way', async (t) => {
  const asked = Promise.withResolvers<void>()
  const url = await issuerOf(t, () => asked.resolve())
  const fetcher = createFetcher(url, undefined)
  const fetching = assert.rejects(fetcher.fetch())
  await asked.promise
  await fetcher.close()
  await fetching
})

// TLS.

const nowMs = Date.now()
const validity = { notBeforeMs: nowMs - 3_600_000, notAfterMs: nowMs + 3_600_000 }
const root = makeRoot({ ...validity, subject: 'Issuer Root' })
const address = (...bytes: number[]) => subjectAltName(der(0x87, bytes))
const leafFor = (names: ReturnType<typeof subjectAltName>, changes = {}) =>
  makeLeaf(root, 'spiffe://unused', {
    ...validity,
    extensions: leafExtensions('spiffe://unused', names),
    ...changes,
  })

async function tlsIssuer(t: TestContext, leaf = leafFor(address(127, 0, 0, 1))): Promise<string> {
  const server = createTlsServer({ key: leaf.keyPem, cert: leaf.pem }, (_, response) =>
    response.end('{"keys":[]}'),
  )
  return `https://127.0.0.1:${await listenOn(t, server)}/`
}

test('an issuer with a private CA is known by it', async (t) => {
  const { text } = await fetcherOf(t, await tlsIssuer(t), root.pem).fetch()
  assert.equal(text, '{"keys":[]}')
})

test('an issuer with a private CA is not known without it', async (t) => {
  await assert.rejects(fetcherOf(t, await tlsIssuer(t)).fetch(), { code: /CERT|ISSUER|SIGNATURE/ })
})

test('the environment cannot switch verification off', async (t) => {
  const name = 'NODE_TLS_REJECT_UNAUTHORIZED'
  const before = process.env[name]
  process.env[name] = '0'
  t.after(() => {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  })
  await assert.rejects(fetcherOf(t, await tlsIssuer(t)).fetch(), { code: /CERT|ISSUER|SIGNATURE/ })
})

test('another private CA does not do', async (t) => {
  const stranger = makeRoot({ ...validity, subject: 'Stranger' })
  await assert.rejects(fetcherOf(t, await tlsIssuer(t), stranger.pem).fetch(), {
    code: /CERT|ISSUER|SIGNATURE/,
  })
})

test('a certificate for another address does not do', async (t) => {
  const url = await tlsIssuer(t, leafFor(address(127, 0, 0, 2)))
  await assert.rejects(fetcherOf(t, url, root.pem).fetch(), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
})

test('an expired certificate does not do', async (t) => {
  const url = await tlsIssuer(
    t,
    leafFor(address(127, 0, 0, 1), { notBeforeMs: nowMs - 7_200_000, notAfterMs: nowMs - 3_600_000 }),
  )
  await assert.rejects(fetcherOf(t, url, root.pem).fetch(), { code: 'CERT_HAS_EXPIRED' })
})
