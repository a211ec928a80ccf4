// curl and undici in the versions of HTTP that they speak: other implementations than the one that the sidecar is made of.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Client, H2CClient } from 'undici'
import { environment, missingProgram, run } from '../clients/child.ts'
import type { Asked } from './peers.ts'
import { serverVersions, startVersionedApp, type Handler } from './versioned-app.ts'
import { startWay, allWays } from './ways.ts'

const skip = missingProgram('curl') ?? false

/** What came, and as whom. */
const echo: Handler = (request, response) => {
  const user =
    request.headers['x-pomerium-original-user-id'] ?? request.headers['x-pomerium-authenticated-user-id']
  response.setHeader('x-user', String(user))
  request.pipe(response)
}

type To = Pick<Asked, 'port' | 'host' | 'headers'>

function curlArguments({ port, host, headers }: To, more: readonly string[]): string[] {
  const fields = Object.entries({ host, ...headers }).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  return ['-sS', ...more, ...fields, `http://127.0.0.1:${port}/`]
}

/** An offer of HTTP/2 within HTTP/1.1 (RFC 7540 section 3.2, which RFC 9113 took away) is not taken. */
const curls = { '--http1.1': '1.1', '--http2': '1.1', '--http2-prior-knowledge': '2' } as const

for (const way of allWays) {
  for (const server of serverVersions) {
    test(`curl ${way}, which speaks ${server}`, { skip }, async (t) => {
      const { origin } = await startVersionedApp(t, server, echo)
      const { mesh, to } = await startWay(t, way, origin)
      const content = randomBytes(5_000_000)
      const file = join(mesh.folder, 'content')
      await writeFile(file, content)
      for (const [flag, version] of Object.entries(curls)) {
        const report = ['-w', '%{stderr}%{http_code} %{http_version} %header{x-user}']
        // Without Expect a body goes on its way at once.
        const options = [flag, '-T', file, '-H', 'Expect:', ...report]
        const { stdout, stderr } = await run('curl', curlArguments(to, options), environment({}))
        assert.equal(stderr, `200 ${version} alice-id`, flag)
        assert.ok(stdout.equals(content), `${flag}: other bytes came back`)
      }
    })
  }
}

test('curl is told of a refusal in its own version', { skip }, async (t) => {
  const { origin } = await startVersionedApp(t, 'h2c', echo)
  const { to } = await startWay(t, 'to the app', origin)
  const report = ['-o', '/dev/null', '-w', '%{http_code} %{http_version} %header{x-onbehalf-error}']
  for (const [flag, version] of Object.entries(curls)) {
    const nobody = curlArguments({ ...to, headers: {} }, [flag, ...report])
    const { stdout } = await run('curl', nobody, environment({}))
    assert.equal(stdout.toString(), `401 ${version} assertion_missing`)
  }
})

const undiciClients = {
  'undici in HTTP/1.1': (origin: string) => new Client(origin),
  'undici in HTTP/2': (origin: string) =>
    new H2CClient(origin, { maxConcurrentStreams: 100, pipelining: 100 }),
}

async function fiftyAtOnce(t: TestContext, client: Client | H2CClient, { host, headers }: To): Promise<void> {
  t.after(() => client.destroy())
  const echoed = Array.from({ length: 50 }, async () => {
    const content = randomBytes(200_000)
    const answer = await client.request({
      method: 'POST',
      path: '/',
      headers: { host, ...headers },
      body: content,
    })
    const got = Buffer.from(await answer.body.arrayBuffer())
    return [answer.statusCode, answer.headers['x-user'], got.equals(content)].join(' ')
  })
  assert.deepEqual([...new Set(await Promise.all(echoed))], ['200 alice-id true'])
}

for (const way of allWays) {
  for (const server of serverVersions) {
    for (const [name, connect] of Object.entries(undiciClients)) {
      test(`${name}, fifty requests on one connection ${way}, which speaks ${server}`, async (t) => {
        const { origin } = await startVersionedApp(t, server, echo)
        const { to } = await startWay(t, way, origin)
        await fiftyAtOnce(t, connect(`http://127.0.0.1:${to.port}`), to)
      })
    }
  }
}
