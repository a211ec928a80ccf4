// curl through the sidecar: what all clients do, and what only curl is told to.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { contents } from './app.ts'
import { run } from './child.ts'
import { curl, curlEnvironment } from './curl.ts'
import { testClient } from './matrix.ts'
import { startWays, type Way } from './ways.ts'

testClient(curl)

/** What curl prints about a request into the app, or by the proxy to a route: the answer, head and content. */
type Curl = (way: Way, args: readonly string[], path: string) => Promise<string>

test("curl's own options", { skip: curl.missing ?? false }, async (t) => {
  const { mesh, all, caFile, caPin } = await startWays(t)
  const asked: Curl = async (way, args, path) => {
    const { proxy, origin, headers } = way
    const env = curlEnvironment({ proxy, origin, caFile, caPin, folder: mesh.folder })
    const fields = headers.flatMap(([name, value]) => ['--header', `${name}: ${value}`])
    const options = ['--silent', '--show-error', '--include', ...args, ...fields, origin + path]
    const { stdout, stderr } = await run('curl', options, env)
    assert.equal(stderr, '')
    return stdout.toString('latin1')
  }
  const plain = contents.plain.toString('latin1')
  const large = contents.large.toString('latin1')
  for (const way of all.slice(0, 2)) {
    await t.test(`${way.name}: a refused upload that waits for the go-ahead is never sent`, async () => {
      const { refused, proxy, origin } = way
      const file = join(mesh.folder, 'never-sent')
      await writeFile(file, 'x'.repeat(100_000))
      const options = ['--silent', '--expect100-timeout', '60', '--header', 'Expect: 100-continue']
      const report = ['--output', '/dev/null', '--write-out', '%{http_code} %{size_upload}']
      const env = curlEnvironment({ proxy, origin, caFile, caPin, folder: mesh.folder })
      const { stdout } = await run('curl', [...options, ...report, '--upload-file', file, refused.url], env)
      assert.equal(stdout.toString(), `${refused.status} 0`)
    })

    await t.test(`${way.name}: --http1.0 gets an answer that needs no chunks`, async () => {
      const answer = await asked(way, ['--http1.0'], '/large-chunked')
      assert.match(answer, /^HTTP\/1\.[01] 200 /)
      assert.doesNotMatch(answer.slice(0, 1_000), /transfer-encoding/i)
      assert.ok(answer.endsWith(`\r\n\r\n${large}`))
    })

    await t.test(`${way.name}: --http2 offers h2c and is served in HTTP/1.1`, async () => {
      way.app.received.splice(0)
      const answer = await asked(way, ['--http2'], '/plain')
      assert.match(answer, /^HTTP\/1\.1 200 /)
      assert.ok(answer.endsWith(plain))
      const names = way.app.received[0]?.rawHeaders.map((name) => name.toLowerCase())
      assert.deepEqual(
        names?.filter((name) => name === 'upgrade' || name === 'http2-settings'),
        [],
      )
    })

    await t.test(`${way.name}: --path-as-is arrives byte for byte`, async () => {
      way.app.received.splice(0)
      const path = '/a/../b/./c//d/%2e%2E/%2f;x/..?/../e'
      await asked(way, ['--path-as-is'], path)
      assert.deepEqual(
        way.app.received.map(({ url }) => url),
        [path],
      )
    })

    await t.test(`${way.name}: --compressed gets what was compressed`, async () => {
      const answer = await asked(way, ['--compressed'], '/gzip')
      assert.ok(answer.endsWith(`\r\n\r\n${contents.text.toString('latin1')}`))
    })

    await t.test(`${way.name}: --range is the app's to answer`, async () => {
      way.app.received.splice(0)
      await asked(way, ['--range', '0-9'], '/large')
      assert.equal(way.app.received[0]?.headers['range'], 'bytes=0-9')
    })

    await t.test(`${way.name}: --form sends files in parts`, async () => {
      way.app.received.splice(0)
      const file = join(mesh.folder, 'part')
      const content = randomBytes(100_000)
      await writeFile(file, content)
      await asked(way, ['--form', 'name=Käthe', '--form', `file=@${file}`], '/upload')
      const [received] = way.app.received
      assert.match(String(received?.headers['content-type']), /^multipart\/form-data; boundary=/)
      assert.ok(received?.body.includes(content.toString('latin1')))
    })
  }
})
