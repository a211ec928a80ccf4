// Brings an exchange between a raw client and a raw upstream to a stage, lets one of them leave, and checks the other.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { Stage } from './abort-stages.ts'
import { readAnswers } from './answers.ts'
import { inTime, Talker, talkTo } from './talker.ts'

export type Side = 'client' | 'upstream'
export type Cut = 'FIN' | 'RST'

export interface Upstream {
  readonly port: number
  /** Called with each connection on which a request for `/trial/<id>` has come. */
  readonly onTrial: Map<string, (connection: Talker) => void>
  /** The ids of the requests for `/whole/<id>` that came. */
  readonly answeredWhole: Set<string>
  /** How many connections there were so far. */
  connectionCount(): number
  /** Ends the connections that are kept for further requests. */
  closeAll(): void
}

export async function startUpstream(t: TestContext): Promise<Upstream> {
  const onTrial: Upstream['onTrial'] = new Map()
  const answeredWhole = new Set<string>()
  const connections = new Set<Talker>()
  let connectionCount = 0
  const server = createServer((socket) => {
    const connection = new Talker(socket)
    connections.add(connection)
    connectionCount++
    socket.once('close', () => connections.delete(connection))
    const onData = () => {
      const [, kind, id = ''] = /^\w+ \/(trial|whole)\/(\d+) /.exec(connection.heard) ?? []
      if (kind === 'trial') {
        socket.off('data', onData)
        onTrial.get(id)?.(connection)
      } else if (kind === 'whole' && connection.heard.endsWith('\r\n\r\n')) {
        answeredWhole.add(id)
        connection.heard = ''
        connection.say('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst')
      }
    }
    socket.on('data', onData)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const closeAll = () => {
    for (const connection of connections) connection.leave('FIN')
  }
  t.after(() => {
    server.close()
    closeAll()
  })
  const { port } = server.address() as AddressInfo
  return { port, onTrial, answeredWhole, connectionCount: () => connectionCount, closeAll }
}

export interface Trial {
  readonly upstream: Upstream
  /** Of the sidecar's listener. */
  readonly port: number
  /** Each field with its end of line. */
  readonly head: string
  readonly stage: Stage
  readonly who: Side
  readonly cut: Cut
}

let lastId = 0

/** Resolves when the side that was left knows it, and has seen nothing that it could take for whole. */
export async function breakOff(trial: Trial): Promise<void> {
  const { upstream, stage, who } = trial
  const id = String(++lastId)
  const client = await talkTo(trial.port)
  const arrived = Promise.withResolvers<Talker>()
  // Where the upstream leaves, the request may be sent to it again: then it leaves again.
  upstream.onTrial.set(id, (connection) => {
    const reached = reach(stage, client, connection)
    arrived.resolve(reached)
    reached.then((it) => who === 'upstream' && it.leave(trial.cut)).catch(arrived.reject)
  })
  const say = (bytes: string) =>
    client.say(
      bytes
        .replaceAll('{id}', id)
        .replaceAll('{port}', String(upstream.port))
        .replaceAll('{head}', trial.head),
    )
  try {
    say(stage.request)
    if (stage.invited !== undefined) {
      await client.hears((heard) => /^HTTP\/1\.1 (?:100|200) [^]*\r\n\r\n/.test(heard), 'an invitation')
      say(stage.invited)
    }
    const connection = await inTime(arrived.promise, () => `the upstream hears ${stage.arrived}`)
    if (who === 'client') await leaveUpstream(trial, id, client, connection)
    else await leaveClient(trial, client)
    assertUploadOpen(stage, connection)
  } finally {
    upstream.onTrial.delete(id)
    client.leave('RST')
  }
}

async function reach(stage: Stage, client: Talker, connection: Talker): Promise<Talker> {
  await connection.hears((heard) => stage.arrived.test(heard), `${stage.arrived}`)
  if (stage.answer !== undefined) connection.say(stage.answer)
  const { answered } = stage
  if (answered !== undefined) await client.hears((heard) => answered.test(heard), `${answered}`)
  return connection
}

async function leaveUpstream(
  { upstream, stage, cut }: Trial,
  id: string,
  client: Talker,
  connection: Talker,
) {
  client.leave(cut)
  await connection.closed()
  if (stage.breaksOff === 'alike' && cut === 'RST')
    assert.ok(connection.wasReset, 'the upstream is told by a reset')
  const isWaitingBehind = stage.request.indexOf('/whole/') > stage.request.indexOf('/trial/')
  assert.equal(
    isWaitingBehind && upstream.answeredWhole.has(id),
    false,
    'nothing is carried out for who left',
  )
}

async function leaveClient({ stage, cut }: Trial, client: Talker): Promise<void> {
  const got = () => readAnswers(client.heard).whole.filter(({ status }) => status >= 200)
  if (stage.breaksOff === undefined) {
    await client.hears(() => got().length >= stage.gets.length, `${stage.gets.length} answers`)
  } else {
    await client.closed()
    assert.match(readAnswers(client.heard).rest, /^HTTP\/1\.1 200 /)
    const isReset = stage.breaksOff === 'reset' || (stage.breaksOff === 'alike' && cut === 'RST')
    if (isReset) assert.ok(client.wasReset, 'the client is told by a reset')
  }
  assert.deepEqual(
    got().map(({ status, code }) => code || String(status)),
    stage.gets,
  )
}

/** A body that the client did not end was not ended for the upstream, either. */
function assertUploadOpen(stage: Stage, { heard }: Talker): void {
  if (stage.isUploading !== true) return
  const body = heard.slice(heard.indexOf('\r\n\r\n') + 4)
  if (/^transfer-encoding: chunked\r$/im.test(heard)) assert.doesNotMatch(body, /(?:^|\r\n)0\r\n/)
  else assert.ok(body.length < Number(/^content-length: (\d+)\r$/im.exec(heard)?.[1]))
}
