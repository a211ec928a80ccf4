// Certificates that are renewed while they are in use: nothing fails, nothing is cut, and new connections show the new ones.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { connect } from 'node:tls'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { eventually } from '../support/eventually.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'

async function start(t: TestContext): Promise<TestMesh> {
  return startMesh(t, { scheme: 'https', mesh: { tls: 'strict' }, run: ['App', 'API'] })
}

/** As an agent does: one file after the other. */
async function renew(mesh: TestMesh, account: string): Promise<void> {
  const { certificatePem, keyPem } = await mesh.certified(account)
  await writeFile(join(mesh.folder, `${account}-key.pem`), keyPem)
  await writeFile(join(mesh.folder, `${account}.pem`), certificatePem)
}

async function shownAt(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

const callApi = ({ sidecars }: TestMesh) => send({ port: sidecars.App.outbound, host: hosts.API })

test('certificates of both sides are renewed under load: no call fails', async (t) => {
  const mesh = await start(t)
  const { inbound } = mesh.sidecars.API
  const before = await shownAt(inbound)
  const load = { on: true, done: 0, failed: [] as string[] }
  const worker = async () => {
    while (load.on) {
      const { status, body } = await callApi(mesh)
      if (status === 200) load.done++
      else load.failed.push(body)
    }
  }
  const workers = Array.from({ length: 8 }, worker)
  for (let round = 0; round < 3; round++) {
    const shown = await shownAt(inbound)
    await renew(mesh, 'ledger-access')
    await renew(mesh, 'api-access')
    await eventually(async () => (await shownAt(inbound)) !== shown)
  }
  const done = load.done
  await eventually(async () => load.done > done + 100)
  load.on = false
  await Promise.all(workers)
  assert.deepEqual(load.failed, [])
  assert.notEqual(await shownAt(inbound), before)
})

test('what is under way on a connection of the old certificates goes on', async (t) => {
  const mesh = await start(t)
  const going = Promise.withResolvers<void>()
  mesh.apps.API.handler = async (_request, response) => {
    response.write('first')
    await going.promise
    response.end('last')
  }
  const asked = request({ port: mesh.sidecars.App.outbound, host: '127.0.0.1', headers: { host: hosts.API } })
  asked.end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const parts = answer.setEncoding('utf8')[Symbol.asyncIterator]()
  assert.equal((await parts.next()).value, 'first')
  const shown = await shownAt(mesh.sidecars.API.inbound)
  await renew(mesh, 'ledger-access')
  await renew(mesh, 'api-access')
  await eventually(async () => (await shownAt(mesh.sidecars.API.inbound)) !== shown)
  going.resolve()
  assert.equal((await parts.next()).value, 'last')
  assert.equal((await parts.next()).done, true)
  assert.ok(answer.complete)
})
