// The demo's child processes end when the demo does, also when it fails half-way.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { createProcesses } from '../../deploy/demo/processes.ts'
import { freePorts } from '../../deploy/demo/ports.ts'
import { eventually, waitUntilListening, waitUntilReady } from '../../deploy/demo/ready.ts'

async function workshop() {
  const folder = await mkdtemp(path.join(tmpdir(), 'onbehalf-test-'))
  const processes = createProcesses(folder)
  return {
    processes,
    [Symbol.asyncDispose]: async () => {
      await processes.stopAll()
      await rm(folder, { recursive: true })
    },
  }
}

const forever = ['--eval', 'setInterval(() => {}, 1000)']

test('all that was started has ended after stopAll', async () => {
  await using place = await workshop()
  const started = ['one', 'two'].map((name) => place.processes.start(name, forever))
  assert.deepEqual(
    started.map((child) => child.hasEnded()),
    [false, false],
  )
  await place.processes.stopAll()
  assert.deepEqual(
    started.map((child) => child.hasEnded()),
    [true, true],
  )
})

test('nothing starts after stopAll', async () => {
  await using place = await workshop()
  await place.processes.stopAll()
  assert.throws(() => place.processes.start('late', forever), { message: 'the demo is stopping' })
})

test('a program that is frozen has ended after stopAll, and not by force', async () => {
  await using place = await workshop()
  const script = 'trap "echo well ended; exit" TERM; echo up; while :; do sleep 0.1; done'
  const started = place.processes.startProgram('redis', 'sh', ['-c', script])
  await eventually(async () => (await readFile(started.logFile, 'utf8')) === 'up\n', 'it is up')
  started.send('SIGSTOP')
  await place.processes.stopAll()
  assert.equal(started.hasEnded(), true)
  assert.equal(await readFile(started.logFile, 'utf8'), 'up\nwell ended\n')
})

test('a program that is killed is seen to have ended', async () => {
  await using place = await workshop()
  const started = place.processes.startProgram('redis', 'sleep', ['60'])
  started.send('SIGKILL')
  await started.ended
  assert.equal(started.hasEnded(), true)
})

test('a program that does not exist has ended', async () => {
  await using place = await workshop()
  const started = place.processes.startProgram('redis', 'no-such-program', [])
  await started.ended
  assert.equal(started.hasEnded(), true)
})

test('a command that fails is reported with what it wrote', async () => {
  await using place = await workshop()
  const script = 'console.error("no such account"); process.exit(2)'
  await assert.rejects(place.processes.run('ca', ['--eval', script]), {
    message: 'ca failed:\nno such account\n',
  })
})

test('a sidecar that ends before it is ready is reported with its log', async () => {
  await using place = await workshop()
  const [port = 0] = await freePorts(1)
  const sidecar = place.processes.start('sidecar-App', ['--eval', 'console.log("bad mesh file")'])
  await assert.rejects(waitUntilReady(sidecar, port), {
    message: 'sidecar-App ended. Its log:\nbad mesh file\n',
  })
})

test('a sidecar is waited for until it answers 200', async () => {
  await using place = await workshop()
  const [port = 0] = await freePorts(1)
  const script = `let asked = 0
    require('node:http').createServer((_, response) => {
      response.writeHead(++asked < 3 ? 503 : 200).end()
      console.log(asked)
    }).listen(${port}, '127.0.0.1')`
  await waitUntilReady(place.processes.start('sidecar-App', ['--eval', script]), port)
})

test('an app is waited for until it listens', async () => {
  await using place = await workshop()
  const [port = 0] = await freePorts(1)
  const script = `require('node:net').createServer().listen(${port}, '127.0.0.1')`
  await waitUntilListening(place.processes.start('app', ['--eval', script]), port)
})

test('free ports are all different', async () => {
  assert.equal(new Set(await freePorts(40)).size, 40)
})
