// `onbehalf check` without a Redis: the mesh file, the certificate, the issuers and the app.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createAuthority, issueAccount } from '../../sidecar/ca.ts'
import { checkCertificate } from '../../sidecar/cli/check-local.ts'
import { formatRows } from '../../sidecar/cli/check-row.ts'
import { paintFor, Progress } from '../../sidecar/cli/terminal.ts'
import { parseRoots, readAccountCredential } from '../../sidecar/credential/files.ts'
import { createMinter } from '../../sidecar/credential/minter.ts'
import { freePort } from '../support/redis.ts'
import { checkedMesh, rowsOf, runCheck } from './check-ground.ts'

test('where all is well, all rows say so and the exit status is 0', async (t) => {
  const mesh = await checkedMesh(t)
  const { status, stdout, stderr } = await runCheck(mesh.folder, [
    '--config',
    mesh.meshFile,
    '--service',
    'App',
  ])
  assert.equal(stderr, '')
  assert.equal(status, 0, stdout)
  assert.match(stdout, /^ok {4}mesh file {8}.*mesh\.json: service App, 3 routes$/m)
  assert.match(stdout, /^ok {4}certificate {6}of account api-access, valid until 20/m)
  assert.match(stdout, /^ok {4}issuer pomerium {2}1 key from http:/m)
  assert.match(stdout, /^ok {4}issuer pomerium {2}its clock agrees/m)
  assert.match(stdout, /^- {5}store {12}memory: nothing is shared/m)
  assert.match(stdout, /^ok {4}app {14}127\.0\.0\.1:\d+ takes connections$/m)
  assert.doesNotMatch(stdout, /FAIL/)
})

test('-o json gives the rows, and JSON alone', async (t) => {
  const mesh = await checkedMesh(t)
  const args = ['--config', mesh.meshFile, '--service', 'App', '-o', 'json']
  const { status, stdout } = await runCheck(mesh.folder, args)
  assert.equal(status, 0)
  const { service, well, rows } = JSON.parse(stdout) as { service: string; well: boolean; rows: object[] }
  assert.deepEqual([service, well], ['App', true])
  assert.deepEqual(Object.keys(rows[0] ?? {}), ['status', 'check', 'message'])
})

test('a mesh file that cannot be used is exit status 2, with its problems', async (t) => {
  const mesh = await checkedMesh(t)
  const none = await runCheck(mesh.folder, ['--config', 'none.yaml'])
  assert.equal(none.status, 2)
  assert.match(none.stderr, /Cannot read none\.yaml: there is no such file/)
  assert.equal(none.stdout, '')
  const wrong = await runCheck(mesh.folder, ['--nonsense'])
  assert.equal(wrong.status, 2)
  assert.match(wrong.stderr, /See onbehalf check --help/)
})

test('--help says what it does', async (t) => {
  const mesh = await checkedMesh(t)
  const { status, stdout } = await runCheck(mesh.folder, ['--help'])
  assert.equal(status, 0)
  assert.match(stdout, /^Usage: onbehalf check/)
})

test('an app that does not listen is a failure, and the exit status 1', async (t) => {
  const port = await freePort()
  const mesh = await checkedMesh(t, { services: { App: { app: `http://127.0.0.1:${port}` } } })
  const { status, rows } = await rowsOf(mesh)
  assert.equal(status, 1)
  assert.ok(
    rows.includes(
      `fail app: 127.0.0.1:${port} takes no connection (ECONNREFUSED): does the app run, and listen there?`,
    ),
    rows.join('\n'),
  )
})

test('an issuer that does not listen is a failure', async (t) => {
  const jwks = `http://127.0.0.1:${await freePort()}/jwks.json`
  const mesh = await checkedMesh(t, { issuer: { jwks } })
  const { status, rows } = await rowsOf(mesh)
  assert.equal(status, 1)
  assert.ok(
    rows.includes(
      `fail issuer pomerium: its keys cannot be read from ${jwks}: nothing listens there; is it running, and is this its port?`,
    ),
    rows.join('\n'),
  )
})

test('an issuer that is asked by https on a port without TLS is told what to look at', async (t) => {
  const issuer = createHttpServer().listen(0, '127.0.0.1')
  t.after(() => issuer.close())
  await once(issuer, 'listening')
  const jwks = `https://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks.json`
  const { rows } = await rowsOf(await checkedMesh(t, { issuer: { jwks } }))
  assert.ok(
    rows.includes(
      `fail issuer pomerium: its keys cannot be read from ${jwks}: it does not answer in TLS; is this its TLS port, or is http:// meant?`,
    ),
    rows.join('\n'),
  )
})

test('an issuer whose keys are a file that is gone is a failure, said once', async (t) => {
  const mesh = await checkedMesh(t, { issuer: { jwks: 'keys.json' }, files: { 'keys.json': '{"keys":[]}' } })
  const empty = await rowsOf(mesh)
  assert.ok(
    empty.rows.some((row) => /^fail issuer pomerium: .*keys\.json holds no key/.test(row)),
    empty.rows.join('\n'),
  )
  await rm(join(mesh.folder, 'keys.json'))
  const { status, rows } = await rowsOf(mesh)
  assert.equal(status, 1)
  assert.deepEqual(rows.filter((row) => row.startsWith('fail')).length, 1, rows.join('\n'))
  assert.ok(rows.some((row) => /^fail issuer pomerium: .*there is no such file/.test(row)))
})

/** An issuer whose clock is so much off, and which says so through a cache. */
async function startIssuer(t: TestContext, offsetS: number, ageS = 0): Promise<string> {
  const server = createHttpServer((_request, response) => {
    const date = new Date(Date.now() + (offsetS - ageS) * 1000).toUTCString()
    response.writeHead(200, { date, ...(ageS === 0 ? {} : { age: String(ageS) }) }).end('{"keys":[]}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`
}

for (const [offsetS, ageS, expected] of [
  [0, 0, /^ok issuer pomerium: its clock agrees/],
  [0, 600, /^ok issuer pomerium: its clock agrees/],
  [30, 0, /^warn issuer pomerium: this clock is (29|30|31) s behind its own/],
  [-30, 0, /^warn issuer pomerium: this clock is (29|30|31) s ahead of its own/],
  [300, 0, /^fail issuer pomerium: this clock is (299|300|301) s behind its own, more than the 60 s/],
] as const) {
  test(`a clock that is ${offsetS} s off, by an answer that is ${ageS} s old, is told`, async (t) => {
    const mesh = await checkedMesh(t, { issuer: { jwks: await startIssuer(t, offsetS, ageS) } })
    const { rows } = await rowsOf(mesh)
    assert.ok(
      rows.some((row) => expected.test(row)),
      rows.join('\n'),
    )
  })
}

test('an issuer that takes the connection and says nothing is a failure', async (t) => {
  const server = createServer((socket) => void socket.on('error', () => undefined).resume()).listen(
    0,
    '127.0.0.1',
  )
  await once(server, 'listening')
  t.after(() => void server.close())
  const { port } = server.address() as AddressInfo
  const mesh = await checkedMesh(t, { issuer: { jwks: `http://127.0.0.1:${port}/jwks.json` } })
  const { rows } = await rowsOf(mesh)
  assert.ok(
    rows.some((row) => /^fail issuer pomerium: .*no answer in time/.test(row)),
    rows.join('\n'),
  )
})

test('a certificate file that holds something else is a failure, and all else is checked', async (t) => {
  const mesh = await checkedMesh(t)
  await writeFile(join(mesh.folder, 'api-access.pem'), 'nothing')
  const { status, rows } = await rowsOf(mesh)
  assert.equal(status, 1)
  assert.ok(
    rows.some((row) => /^fail files: .*api-access\.pem: .*holds no certificate/.test(row)),
    rows.join('\n'),
  )
  assert.ok(rows.some((row) => row.startsWith('ok issuer pomerium')))
})

const dayMs = 24 * 60 * 60 * 1000

test('a certificate warns in the last third of its life, or of thirty days, and fails when it is over', async () => {
  const nowMs = Date.UTC(2026, 0, 1)
  const at = async (days: number, laterDays: number) => {
    const ca = await createAuthority({ issuer: 'mesh.example.com', days: 4000, nowMs })
    const { certificatePem, keyPem } = await issueAccount({
      caPem: ca.certificatePem,
      caKeyPem: ca.keyPem,
      issuer: undefined,
      account: 'app',
      dnsNames: [],
      days,
      nowMs,
    })
    const accounts = new Set(['app'])
    const roots = parseRoots(ca.certificatePem)
    const authority = { name: 'mesh', issuer: 'mesh.example.com', accounts, roots }
    const account = readAccountCredential({ certificatePem, keyPem, authority, accounts, nowMs })
    const minter = createMinter({ ...account, issuer: 'mesh.example.com', now: () => nowMs })
    return checkCertificate(minter, nowMs + laterDays * dayMs)
  }
  assert.equal((await at(90, 50)).status, 'ok')
  const warned = await at(90, 70)
  assert.equal(warned.status, 'warn')
  assert.match(warned.message, /, in \d+ days: less than a third/)
  assert.equal((await at(3, 1)).status, 'ok')
  assert.match((await at(3, 2.5)).message, /, in \d+ hours: /)
  assert.equal((await at(3650, 3600)).status, 'ok')
  assert.equal((await at(3650, 3640)).status, 'warn')
  assert.match((await at(90, 91)).message, /it has expired\. Renew it/)
  assert.equal((await at(90, 91)).status, 'fail')
  assert.equal(checkCertificate(undefined, nowMs).status, 'info')
})

test('no value can look like another row', () => {
  const text = formatRows([{ status: 'fail', check: 'app', message: 'a\nok    app   fine\u001b[2J' }])
  assert.equal(text.trimEnd().split('\n').length, 1)
  assert.equal(text.includes('\u001b'), false)
})

const outside = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ internal, address }) => !internal && !address.startsWith('fe80:'))

/** An app that takes connections at these addresses, and the row about the way around the sidecar. */
async function aroundWith(t: TestContext, host: string): Promise<string> {
  const app = createServer((socket) => socket.destroy())
  app.listen(0, host)
  await once(app, 'listening')
  t.after(() => app.close())
  const mesh = await checkedMesh(t)
  const { port } = app.address() as AddressInfo
  const args = ['--config', mesh.meshFile, '--service', 'App', '--app', `http://127.0.0.1:${port}`]
  const { status, stdout } = await runCheck(mesh.folder, args)
  assert.equal(status, 0, stdout)
  return stdout.split('\n').find((line) => / around /.test(line)) ?? ''
}

const noOutside = outside === undefined ? 'this machine has no address but loopback' : false
test(
  'an app that takes connections from others is warned of, with what to do',
  { skip: noOutside },
  async (t) => {
    const row = await aroundWith(t, '0.0.0.0')
    assert.match(
      row,
      /^warn {2}around .* the app takes connections at [^ ]+:\d+.* Let the app listen on 127\.0\.0\.1 alone/,
    )
  },
)

test('an app that takes connections of this machine alone is well', async (t) => {
  assert.match(await aroundWith(t, '127.0.0.1'), /^ok {4}around /)
})

test('an app on another machine cannot be behind its sidecar alone', async (t) => {
  const mesh = await checkedMesh(t)
  const args = ['--config', mesh.meshFile, '--service', 'App', '--app', 'http://192.0.2.1:8080']
  const { stdout } = await runCheck(mesh.folder, args)
  assert.match(stdout, /^warn {2}around .* the app at 192\.0\.2\.1:8080 is on no loopback address/m)
})

test('--wait asks again until nothing fails', async (t) => {
  const mesh = await checkedMesh(t)
  const port = await freePort()
  const args = ['--config', mesh.meshFile, '--service', 'App', '--app', `http://127.0.0.1:${port}`]
  assert.equal((await runCheck(mesh.folder, args)).status, 1)
  const waiting = runCheck(mesh.folder, [...args, '--wait', '30'])
  const app = createServer((socket) => socket.destroy())
  app.listen(port, '127.0.0.1')
  await once(app, 'listening')
  t.after(() => app.close())
  assert.equal((await waiting).status, 0)
  assert.match(
    (await runCheck(mesh.folder, [...args, '--wait', 'long'])).stderr,
    /--wait: must be whole seconds/,
  )
})

const painted = (isTTY: boolean, env: NodeJS.ProcessEnv) =>
  paintFor({ isTTY, write: () => undefined }, { env })('ok', 'green')

test('colours are for terminals alone, and not where they are not wanted', () => {
  assert.equal(painted(true, {}), '\u001b[32mok\u001b[0m')
  for (const [isTTY, env] of [
    [false, {}],
    [true, { NO_COLOR: '1' }],
    [true, { TERM: 'dumb' }],
  ] as const) {
    assert.equal(painted(isTTY, env), 'ok')
  }
})

test('what takes longer than a second is named on a terminal, and nowhere else', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const written: string[] = []
  for (const isTTY of [true, false]) {
    const progress = new Progress({ isTTY, write: (text) => written.push(text) })
    void progress.during('store', new Promise(() => undefined))
    t.mock.timers.tick(999)
    assert.deepEqual(written, [])
    t.mock.timers.tick(1)
    assert.deepEqual(written.splice(0), isTTY ? ['still asking: store\n'] : [])
    progress.end()
  }
})
