// The attacker sends a few bytes that are gigabytes once they are unpacked, and wants the sidecar to unpack them.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { mebibyte, residentOf, watchResident } from '../endurance/resident.ts'
import type { AppHandler } from '../support/app.ts'
import { hosts, startMesh, startPod } from '../support/mesh.ts'
import { adminToken, asUser, assertServes, speak, startRaw, verdict } from './attack.ts'

const plain = Buffer.alloc(100_000_000)
const fast = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }

/** Ten million bytes, of one bomb after another: a gzip, or a zstd, of many parts is one of all that is in them. */
function bombOf(part: Buffer): Buffer {
  return Buffer.alloc(10_000_000, part)
}

const gzip = gzipSync(plain)
const bombs: Readonly<Record<string, Buffer>> = {
  gzip: bombOf(gzip),
  deflate: bombOf(deflateSync(plain)),
  br: bombOf(brotliCompressSync(plain, fast)),
  zstd: bombOf(zstdCompressSync(plain)),
  'gzip, gzip': bombOf(gzipSync(gzip)),
  'gzip, br, zstd, deflate': bombOf(deflateSync(zstdCompressSync(brotliCompressSync(gzip, fast)))),
  'x-gzip, identity': bombOf(gzip),
  'no such coding': bombOf(gzip),
}

/** What all of them together may make this process grow, which holds each of them some times. */
const maxGrowthBytes = 200 * mebibyte

interface Said {
  readonly status: number
  readonly headers: readonly string[]
  readonly body: Buffer
}

async function exchange(
  port: number,
  host: string,
  headers: readonly string[],
  body: Buffer = Buffer.alloc(0),
  target = '/',
): Promise<Said> {
  const length = ['Content-Length', String(body.length)]
  const request = httpRequest({
    host: '127.0.0.1',
    port,
    method: 'POST',
    path: target,
    headers: ['Host', host, ...headers, ...length],
    agent: false,
    setHost: false,
  })
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const { statusCode: status = 0, rawHeaders } = response
  return { status, headers: rawHeaders, body: await buffer(response) }
}

const valuesOf = (headers: readonly string[], name: string) =>
  headers.filter((_value, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === name)

/** Keeps what came, and sends it back as it came. */
function echoing(received: Said[]): AppHandler {
  return async (request, response) => {
    const body = await buffer(request)
    received.push({ status: 0, headers: request.rawHeaders, body })
    const coding = request.headers['content-encoding'] ?? ''
    response.writeHead(200, ['Content-Encoding', coding, 'Content-Length', String(body.length)])
    response.end(body)
  }
}

for (const way of ['to an app', 'from an app'] as const) {
  test(`a bomb on its way ${way} and back passes as it came`, async (t) => {
    const mesh = await startMesh(t, {
      run: ['App'],
      moreRoutes: [
        {
          name: 'Echo',
          from: 'https://echo.test',
          to: 'http://127.0.0.1:1',
          allow_any_authenticated_user: true,
        },
      ],
    })
    const received: Said[] = []
    mesh.apps.App.handler = echoing(received)
    mesh.apps.Ledger.handler = echoing(received)
    await mesh.writeMeshFile((file) => {
      for (const route of file.routes) if (route['name'] === 'Echo') route['to'] = mesh.apps.Ledger.origin
    })
    const { sidecar, inbound, outbound } = mesh.sidecars.App
    await sidecar.reload('the test')
    const [port, host] = way === 'to an app' ? [inbound, hosts.App] : [outbound, 'echo.test']
    const before = residentOf(process.pid)
    const watch = watchResident(process.pid)
    for (const [coding, bomb] of Object.entries(bombs)) {
      const headers = ['Content-Encoding', coding, 'Accept-Encoding', 'gzip;q=0.5, zstd']
      if (way === 'to an app') headers.push(...(await asUser(mesh, 'alice')))
      const answer = await exchange(port, host, headers, bomb)
      const came = received.pop()
      assert.equal(answer.status, 200)
      assert.ok(came !== undefined && came.body.equals(bomb), `the request: ${coding}`)
      assert.ok(answer.body.equals(bomb), `the answer: ${coding}`)
      assert.deepEqual(valuesOf(came.headers, 'content-encoding'), [coding])
      assert.deepEqual(valuesOf(came.headers, 'accept-encoding'), ['gzip;q=0.5, zstd'])
      assert.deepEqual(valuesOf(answer.headers, 'content-encoding'), [coding])
    }
    const grown = watch.stop() - before
    assert.ok(grown < maxGrowthBytes, `grew by ${Math.round(grown / mebibyte)} MiB`)
  })
}

const codings = [
  'gzip, chunked',
  'gzip',
  'chunked, gzip',
  'deflate, chunked',
  'gzip\r\nTransfer-Encoding: chunked',
]
for (const coding of codings) {
  test(`Transfer-Encoding: ${coding.replace('\r\n', ' and ')} is refused, and reaches no app`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    const [name, token] = await asUser(mesh, 'alice')
    const head = `POST / HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\nTransfer-Encoding: ${coding}\r\n\r\n`
    const answer = await speak(mesh.sidecars.App.inbound, `${head}5\r\nhello\r\n0\r\n\r\n`)
    assert.match(verdict(answer), /^request_(?:ambiguous|malformed)$/)
    assert.equal(mesh.apps.App.received.length, 0)
    await assertServes(mesh)
  })
}

test('an answer in a transfer coding other than chunked is not passed on', async (t) => {
  const canned = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'
  const port = await startRaw(t, (socket) => socket.once('data', () => socket.end(canned)))
  const mesh = await startMesh(t, { run: ['App'], services: { App: { app: `http://127.0.0.1:${port}` } } })
  const answer = await exchange(mesh.sidecars.App.inbound, 'a', await asUser(mesh, 'alice'))
  assert.deepEqual([answer.status, valuesOf(answer.headers, 'x-onbehalf-error')], [502, ['upstream_invalid']])
})

test('a key set is asked for without a compression, and not unpacked where it comes with one', async (t) => {
  const heads: string[] = []
  let body = Buffer.alloc(0)
  const port = await startRaw(t, (socket) =>
    socket.once('data', (head: Buffer) => {
      heads.push(head.toString('latin1'))
      const fields = `Content-Encoding: gzip\r\nContent-Length: ${body.length}\r\nConnection: close\r\n`
      socket.write(`HTTP/1.1 200 OK\r\n${fields}\r\n`)
      socket.end(body)
    }),
  )
  const mesh = await startMesh(t, { run: [], issuer: { jwks: `http://127.0.0.1:${port}/` } })
  body = gzipSync(JSON.stringify({ keys: [mesh.pomerium.signingKey().jwk] }))
  const pod = await startPod(t, mesh, 'App', { awaitReady: false })
  const answer = await exchange(pod.inbound, 'a', await asUser(mesh, 'alice'))
  assert.deepEqual([answer.status, valuesOf(answer.headers, 'x-onbehalf-error')], [503, ['keys_unavailable']])
  assert.ok(heads.length > 0)
  for (const head of heads) assert.doesNotMatch(head, /^accept-encoding:/im)
})

test('what the admin and the probes listener read is not unpacked', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { App } = mesh.sidecars
  const headers = ['Authorization', `Bearer ${await adminToken(App)}`, 'Content-Encoding', 'gzip']
  const revocation = { kind: 'subject', issuer: 'pomerium', value: 'alice-id' }
  const packed = gzipSync(JSON.stringify(revocation))
  const statuses: number[] = []
  for (const body of [packed, gzipSync(gzip), Buffer.from(JSON.stringify(revocation))]) {
    const { status } = await exchange(App.admin, '127.0.0.1', headers, body, '/revoke')
    statuses.push(status)
    if (status !== 202) await assertServes(mesh)
  }
  // Last what says that it is packed, and is not: it is read as it came.
  assert.deepEqual(statuses, [400, 400, 202])
  for (const target of ['/ready', '/live', '/metrics']) {
    const { status } = await exchange(App.probes, '127.0.0.1', headers, packed, target)
    assert.equal(status, 405, target)
  }
})

test('no source imports what unpacks', async () => {
  const root = path.resolve(import.meta.dirname, '../..')
  let count = 0
  for (const folder of ['sidecar', 'shared']) {
    for (const name of await readdir(path.join(root, folder), { recursive: true })) {
      if (!name.endsWith('.ts')) continue
      count++
      const text = await readFile(path.join(root, folder, name), 'utf8')
      assert.doesNotMatch(text, /['"](?:node:)?zlib['"]|DecompressionStream/, name)
    }
  }
  assert.ok(count > 100, `${count} files were read`)
})
