// What is open when its user is revoked ends, at the client and at the upstream; what is others' goes on.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { send } from '../support/client.ts'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { rawValues, type AppHandler } from '../support/app.ts'
import { hosts } from '../support/mesh.ts'
import { atApp, metric, run, skip, startOnRedis, type Sent } from './revocation-ground.ts'

/** An app that writes the head and a first piece, and goes on when it is told to. */
function streaming() {
  const open = new Map<string, ServerResponse>()
  const closed = new Map<string, () => void>()
  const handler: AppHandler = (request, response) => {
    const name = request.url ?? ''
    open.set(name, response)
    response.once('close', () => closed.get(name)?.())
    response.write('first')
  }
  const whenClosed = (name: string) => new Promise<void>((resolve) => closed.set(name, resolve))
  return { open, handler, whenClosed }
}

async function openStream(sent: Sent, target: string): Promise<IncomingMessage> {
  const headers = ['Host', 'a', ...sent.headers]
  const request = httpRequest({ host: '127.0.0.1', port: sent.port, path: target, headers, agent: false })
  request.on('error', () => undefined).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  await once(response, 'data')
  return response
}

test(
  'an answer that the revoked user is being sent breaks off, at the client and at the app; others go on',
  { skip },
  async (t) => {
    const { mesh } = await startOnRedis(t, { run: ['App'] })
    const app = streaming()
    mesh.apps.App.handler = app.handler
    const [hers, his] = [
      await openStream(await atApp(mesh, 'alice'), '/alice'),
      await openStream(await atApp(mesh, 'bob'), '/bob'),
    ]
    const [broken, left] = [once(hers, 'error'), app.whenClosed('/alice')]
    await run(mesh, '--subject', 'alice-id')
    const [[error]] = await Promise.all([broken, left])
    assert.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET')
    const rest = once(his, 'data')
    app.open.get('/bob')?.write('second')
    assert.equal(String((await rest)[0]), 'second')
    app.open.get('/bob')?.end()
    await once(his.resume(), 'end')
    assert.equal(
      await metric(mesh, 'App', 'onbehalf_exchanges_ended_total{direction="inbound",reason="revoked"}'),
      1,
    )
  },
)

test(
  'an answer without length to a client of HTTP/1.0 ends by a reset: it must not look whole',
  { skip },
  async (t) => {
    const { mesh } = await startOnRedis(t, { run: ['App'] })
    mesh.apps.App.handler = streaming().handler
    const { port, headers } = await atApp(mesh, 'alice')
    const socket = connect(port, '127.0.0.1')
    socket.write(`GET / HTTP/1.0\r\nHost: a\r\n${headers.join(': ')}\r\n\r\n`)
    let text = ''
    while (!text.includes('first')) text += String(((await once(socket, 'data')) as [Buffer])[0])
    const [[error]] = await Promise.all([once(socket.resume(), 'error'), run(mesh, '--subject', 'alice-id')])
    assert.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET')
  },
)

test(
  'a request of the revoked user that the app has not answered is refused with the reason',
  { skip },
  async (t) => {
    const { mesh } = await startOnRedis(t, { run: ['App'] })
    const arrived = Promise.withResolvers<void>()
    mesh.apps.App.handler = () => arrived.resolve()
    const answer = send(await atApp(mesh, 'alice'))
    await arrived.promise
    await run(mesh, '--subject', 'alice-id')
    const { status, code } = await answer
    assert.deepEqual([status, code], [401, 'assertion_revoked'])
  },
)

test(
  'a call that the app makes for the revoked user ends; one that it makes for nobody goes on',
  { skip },
  async (t) => {
    const { mesh } = await startOnRedis(t, { run: ['App'] })
    const { headers } = await atApp(mesh, 'alice')
    await send({ port: mesh.sidecars.App.inbound, headers })
    const handle = rawValues(mesh.apps.App.received[0], 'x-onbehalf-handle')[0] ?? ''
    // API's sidecar does not run: whoever listens at its place is what App's sidecar calls.
    const { createServer } = await import('node:http')
    const arrived: ServerResponse[] = []
    const two = Promise.withResolvers<void>()
    const callee = createServer((_request, response) => {
      if (arrived.push(response) === 2) two.resolve()
    })
    const to = (JSON.parse(await readFile(mesh.meshFile, 'utf8')) as { routes: { to: string }[] }).routes[1]
      ?.to
    callee.listen(Number(new URL(to ?? '').port), '127.0.0.1')
    t.after(() => {
      callee.close()
      callee.closeAllConnections()
    })
    const call = (more: string[]) =>
      send({ port: mesh.sidecars.App.outbound, host: hosts.API, headers: more })
    const [hers, own] = [call(['x-onbehalf-handle', handle]), call([])]
    await two.promise
    await run(mesh, '--subject', 'alice-id')
    assert.equal((await hers).code, 'original_user_revoked')
    for (const response of arrived) response.end('done')
    assert.equal((await own).body, 'done')
    const again = await call(['x-onbehalf-handle', handle])
    assert.equal(again.code, 'original_user_revoked')
  },
)

for (const settings of [{ streams: { end_at: 'never' } }, { mode: 'report' }]) {
  test(`with ${JSON.stringify(settings)} what is open goes on to its end`, { skip }, async (t) => {
    const { mesh } = await startOnRedis(t, { run: ['App'], settings })
    const app = streaming()
    mesh.apps.App.handler = app.handler
    const sent = await atApp(mesh, 'alice')
    const hers = await openStream(sent, '/alice')
    await run(mesh, '--subject', 'alice-id')
    await eventually(async () => (await metric(mesh, 'App', 'onbehalf_revocations')) === 1)
    const [rest, end] = [once(hers, 'data'), once(hers, 'end')]
    app.open.get('/alice')?.end('second')
    assert.equal(String((await rest)[0]), 'second')
    await end
  })
}
