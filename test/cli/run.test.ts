// `onbehalf run` as a process: exit statuses, signals, and what it says on the way.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { freePorts } from '../../deploy/demo/ports.ts'
import { parse } from 'yaml'
import { main } from '../../sidecar/cli/main.ts'
import { eventually } from '../support/eventually.ts'
import { send } from '../support/client.ts'

const programUrl = import.meta.resolve('../../sidecar/cli/program.ts')
const program = join(import.meta.dirname, '../../deploy/cli/onbehalf.ts')

async function meshFile(t: TestContext, change: (text: string) => string = (text) => text): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-run-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const [inbound, outbound, admin, probes] = await freePorts(4)
  const listen = `{inbound: 127.0.0.1:${inbound}, outbound: 127.0.0.1:${outbound}, admin: 127.0.0.1:${admin}, probes: 127.0.0.1:${probes}}`
  await writeFile(join(folder, 'jwks.json'), '{"keys": []}')
  const text = `issuers:
  - {issuer: hostOnly, jwks: jwks.json, single_use: true}
routes:
  - {name: App, from: https://app.example.com, to: http://127.0.0.1:${inbound}, allow_any_authenticated_user: true}
services:
  App: {app: http://127.0.0.1:9, calls: [], listen: ${listen}, admin_token_file: token}
`
  const file = join(folder, 'mesh.yaml')
  await writeFile(file, change(text))
  return file
}

interface MeshText {
  readonly services: { readonly App: { readonly listen: Readonly<Record<'inbound' | 'admin', string>> } }
}

const filesBefore = ['jwks.json', 'mesh.yaml']

function run(t: TestContext, ...args: string[]) {
  const child = spawn(process.execPath, [program, 'run', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let text = ''
  child.stderr.setEncoding('utf8').on('data', (part: string) => (text += part))
  const exited = once(child, 'exit')
  return {
    child,
    said: () => text,
    async until(words: string): Promise<void> {
      while (!text.includes(words)) {
        assert.deepEqual([child.exitCode, child.signalCode], [null, null], text)
        await Promise.race([once(child.stderr, 'data'), exited])
      }
    },
    async status(): Promise<unknown> {
      return (await exited)[0] as unknown
    },
  }
}

test('SIGHUP reloads, SIGTERM drains and ends with status 0', async (t) => {
  const sidecar = run(t, '--config', await meshFile(t))
  await sidecar.until('"listening"')
  sidecar.child.kill('SIGHUP')
  await sidecar.until('configuration reloaded')
  sidecar.child.kill('SIGTERM')
  assert.equal(await sidecar.status(), 0)
  assert.match(sidecar.said(), /"draining"[^]*"stopped"/)
})

test('a second SIGINT ends it at once, and leaves no token', async (t) => {
  const file = await meshFile(t, (text) => `${text}timeouts: {drain_delay: 60s}\n`)
  const sidecar = run(t, '--config', file)
  await sidecar.until('"listening"')
  assert.ok((await readdir(dirname(file))).includes('token'))
  sidecar.child.kill('SIGINT')
  await sidecar.until('"draining"')
  sidecar.child.kill('SIGINT')
  await sidecar.status()
  assert.equal(sidecar.child.signalCode, 'SIGINT')
  assert.deepEqual(await readdir(dirname(file)), filesBefore)
})

test('started in a folder that is gone it says so, with status 2', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-gone-'))
  const script = 'rmdir "$PWD" && exec "$@"'
  const command = ['-c', script, 'sh', process.execPath, program, 'run']
  const child = spawn('/bin/sh', command, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  const [said, [status]] = await Promise.all([readAll(child.stderr), once(child, 'exit')])
  assert.deepEqual([status, said], [2, 'onbehalf: the current folder is gone: start it in another one\n'])
})

test('whoever reads its log may leave: it serves on', async (t) => {
  const sidecar = run(t, '--config', await meshFile(t))
  await sidecar.until('"listening"')
  const inbound = Number(/"inbound":"127\.0\.0\.1:(\d+)"/.exec(sidecar.said())?.[1])
  sidecar.child.stderr.destroy()
  // Each of them makes a line.
  for (let i = 0; i < 3; i++) assert.equal((await send({ port: inbound })).status, 401)
  sidecar.child.kill('SIGTERM')
  assert.equal(await sidecar.status(), 0)
})

test('a mesh file with problems ends with status 2, all of them with line and column', async (t) => {
  const file = await meshFile(t, (text) => text.replace('issuer:', 'isuer:').replace('to:', 'too:'))
  const sidecar = run(t, '--config', file)
  assert.equal(await sidecar.status(), 2)
  assert.match(
    sidecar.said(),
    /mesh\.yaml:2:6 issuers\[0\]\.isuer: Is not a known key; did you mean "issuer"\?/,
  )
  assert.match(sidecar.said(), /mesh\.yaml:4:\d+ routes\[0\]\.too: Is not a known key/)
})

test('an unknown flag, and a port that is taken, end with status 2 and say which', async (t) => {
  const unknown = run(t, '--confg', 'x')
  assert.equal(await unknown.status(), 2)
  assert.match(unknown.said(), /--confg/)
  const file = await meshFile(t)
  const first = run(t, '--config', file)
  await first.until('"listening"')
  const second = run(t, '--config', file)
  assert.equal(await second.status(), 2)
  assert.match(second.said(), /EADDRINUSE.*127\.0\.0\.1/)
  first.child.kill('SIGINT')
  assert.equal(await first.status(), 0)
})

/** In this process, whose own signals it gets. */
function runHere(file: string) {
  let said = ''
  const stderr = { write: (text: string) => void (said += text) }
  const status = main(['run', '--config', file], { stdout: stderr, stderr, env: {}, cwd: '/' })
  return { status, said: () => said }
}

test('SIGTERM before it listens ends it with status 0, and nobody was let in', async (t) => {
  const silentRedis = createServer().listen(0, '127.0.0.1')
  t.after(() => silentRedis.close())
  await once(silentRedis, 'listening')
  const { port } = silentRedis.address() as AddressInfo
  const file = await meshFile(t, (text) => `${text}store: {redis: {url: 'redis://127.0.0.1:${port}'}}\n`)
  const sidecar = runHere(file)
  await once(silentRedis, 'connection')
  process.kill(process.pid, 'SIGTERM')
  assert.equal(await sidecar.status, 0)
  assert.doesNotMatch(sidecar.said(), /"listening"/)
  assert.deepEqual(await readdir(dirname(file)), filesBefore)
})

test('SIGTERM that is repeated does not cut the drain short', async (t) => {
  const sidecar = runHere(await meshFile(t, (text) => `${text}timeouts: {drain_delay: 300ms}\n`))
  await eventually(async () => sidecar.said().includes('"listening"'))
  process.kill(process.pid, 'SIGTERM')
  await eventually(async () => sidecar.said().includes('"draining"'))
  process.kill(process.pid, 'SIGTERM')
  assert.equal(await sidecar.status, 0)
  assert.match(sidecar.said(), /"stopped"/)
})

test('a port that is taken leaves no file, and none of the other ports open', async (t) => {
  const file = await meshFile(t)
  const { services } = parse(await readFile(file, 'utf8')) as MeshText
  const addresses = services.App.listen
  // The one that is opened last.
  const other = createServer().listen(Number(addresses.inbound.split(':')[1]), '127.0.0.1')
  t.after(() => other.close())
  await once(other, 'listening')
  await assert.rejects(runHere(file).status, { code: 'EADDRINUSE' })
  assert.deepEqual(await readdir(dirname(file)), filesBefore)
  const socket = connect(Number(addresses.admin.split(':')[1]), '127.0.0.1')
  t.after(() => socket.destroy())
  await assert.rejects(once(socket, 'connect'), { code: 'ECONNREFUSED' })
})

test('a command that fails ends the process with status 2, whatever it left open', async (t) => {
  const source = `
    import { createServer } from 'node:net'
    import { runProgram } from ${JSON.stringify(programUrl)}
    const fail = async () => {
      createServer().listen(0, '127.0.0.1')
      throw new Error('it failed')
    }
    runProgram({ fail: { summary: '', load: async () => fail } })`
  const options = ['--input-type=module', '--eval', source, 'onbehalf', 'fail']
  const child = spawn(process.execPath, options, { stdio: ['ignore', 'ignore', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  const [said, [status]] = await Promise.all([
    readAll(child.stderr),
    once(child, 'exit', { signal: AbortSignal.timeout(30_000) }),
  ])
  assert.deepEqual([status, said], [2, 'onbehalf: it failed\n'])
})

test('a variable of the injector that cannot be read ends with status 2 and says what is wrong with it', async (t) => {
  let said = ''
  const stderr = { write: (text: string) => void (said += text) }
  const env = { ONBEHALF_APP_PROBES: '{"/app-probes/web/readiness": {"tcp": {}}}' }
  const io = { stdout: stderr, stderr, env, cwd: '/' }
  assert.equal(await main(['run', '--config', await meshFile(t)], io), 2)
  assert.equal(said, 'ONBEHALF_APP_PROBES: /app-probes/web/readiness.tcp.port is missing: it must be given\n')
})
