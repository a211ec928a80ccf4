// The attacker asks for much and never reads it, or takes much and never reads it, hundreds of times at once, and wants the sidecar to hold it all, for ever.
import assert from 'node:assert/strict'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { mebibyte, residentOf, watchResident } from '../endurance/resident.ts'
import { startSidecarProcess, type SidecarProcess } from '../endurance/sidecar-process.ts'
import type { AppHandler } from '../support/app.ts'
import { send } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { hosts, startMesh, type TestMesh } from '../support/mesh.ts'
import { activeInbound, activeOutbound, asUser, gauge } from './attack.ts'

const atOnce = 200
/** More than kernels hold of a connection. */
const largeBytes = 24 * mebibyte
/** Of some 5 GB that all of them ask for, or send. */
const maxGrowthBytes = 256 * mebibyte
const part = Buffer.alloc(64 * 1024, 'x')

/** Answers at the pace of the reader, or takes a body and never reads it. */
const app: AppHandler = (request, response) => {
  if (request.url === '/unread') return
  if (request.url !== '/large') return void response.end('served')
  response.writeHead(200, { 'Content-Length': largeBytes })
  let left = largeBytes
  const more = () => {
    while (left > 0 && !response.destroyed) {
      left -= part.length
      if (!response.write(part)) return
    }
    response.end()
  }
  response.on('drain', more)
  more()
}

interface Ground {
  readonly sidecar: SidecarProcess
  /** Says who it is, at the inbound listener; names and values in turn. */
  readonly user: readonly string[]
  readonly sockets: Socket[]
}

async function start(t: TestContext): Promise<Ground> {
  const mesh: TestMesh = await startMesh(t, { run: [], settings: { timeouts: { idle: '5s', linger: '0s' } } })
  await mesh.writeMeshFile((file) => {
    for (const route of file.routes) if (route['name'] === 'Ledger') route['to'] = mesh.apps.Ledger.origin
  })
  mesh.apps.App.handler = app
  mesh.apps.Ledger.handler = app
  const sockets: Socket[] = []
  t.after(() => sockets.forEach((socket) => socket.destroy()))
  return { sidecar: await startSidecarProcess(t, mesh, 'App'), user: await asUser(mesh, 'alice'), sockets }
}

function open({ sockets }: Ground, port: number): Socket {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined)
  sockets.push(socket)
  return socket.pause()
}

const headOf = (line: string, host: string, fields: readonly string[]) =>
  [line, `Host: ${host}`, ...fields].join('\r\n').concat('\r\n\r\n')

const userField = ({ user }: Ground) => [user.join(': ')]

/** Sends more than anybody reads. */
function upload(ground: Ground, port: number, host: string, fields: readonly string[]): void {
  const socket = open(ground, port)
  socket.write(headOf('POST /unread HTTP/1.1', host, [...fields, `Content-Length: ${largeBytes}`]))
  let left = largeBytes
  const more = () => {
    while (left > 0 && !socket.destroyed) {
      left -= part.length
      if (!socket.write(part)) return
    }
  }
  socket.on('drain', more)
  more()
}

/** Reads a byte now and then. */
function trickle(socket: Socket): void {
  const timer = setInterval(() => socket.read(1), 100)
  socket.on('readable', () => undefined).once('close', () => clearInterval(timer))
}

function askInHttp2(ground: Ground): void {
  const [name = '', token = ''] = ground.user
  for (let i = 0; i < 4; i++) {
    const session = connectHttp2(`http://127.0.0.1:${ground.sidecar.inbound}`).on('error', () => undefined)
    session.once('connect', (_session, socket) => ground.sockets.push(socket as Socket))
    for (let j = 0; j < atOnce / 4; j++)
      session.request({ ':path': '/large', [name]: token }).on('error', () => undefined)
  }
}

interface Attack {
  readonly what: string
  /** The gauge of what is under way. */
  readonly active: string
  readonly begin: (ground: Ground) => void
}

const each = (act: () => void) => Array.from({ length: atOnce }, act)
const largeOf = (ground: Ground) => headOf('GET /large HTTP/1.1', 'a', userField(ground))

const attacks: readonly Attack[] = [
  {
    what: 'clients in HTTP/1.1 that never read',
    active: activeInbound,
    begin: (ground) => each(() => open(ground, ground.sidecar.inbound).write(largeOf(ground))),
  },
  {
    what: 'clients in HTTP/1.1 that read a byte now and then',
    active: activeInbound,
    begin: (ground) =>
      each(() => {
        const socket = open(ground, ground.sidecar.inbound)
        socket.write(largeOf(ground))
        trickle(socket)
      }),
  },
  { what: 'clients in HTTP/2 that never read', active: activeInbound, begin: askInHttp2 },
  {
    what: 'apps that never read what they called for',
    active: activeOutbound,
    begin: (ground) =>
      each(() =>
        open(ground, ground.sidecar.outbound).write(headOf('GET /large HTTP/1.1', hosts.Ledger, [])),
      ),
  },
  {
    what: 'an app that never reads what it is sent',
    active: activeInbound,
    begin: (ground) => each(() => upload(ground, ground.sidecar.inbound, 'a', userField(ground))),
  },
  {
    what: 'an upstream that never reads what it is sent',
    active: activeOutbound,
    begin: (ground) => each(() => upload(ground, ground.sidecar.outbound, hosts.Ledger, [])),
  },
]

for (const { what, active, begin } of attacks) {
  test(`${atOnce} times at once, ${what}: little is held, others are served, and it ends`, async (t) => {
    const ground = await start(t)
    const { sidecar, user } = ground
    const assertServed = async () => {
      assert.equal((await send({ port: sidecar.inbound, headers: user })).body, 'served')
      assert.equal((await send({ port: sidecar.outbound, host: hosts.Ledger })).body, 'served')
    }
    await assertServed()
    const before = residentOf(sidecar.pid)
    const watch = watchResident(sidecar.pid)
    begin(ground)
    // Not all of them: on a slow machine the first are ended before the last have begun.
    await eventually(async () => (await gauge(sidecar, active)) > atOnce / 2, 30_000)
    await assertServed()
    await eventually(async () => (await gauge(sidecar, active)) === 0, 30_000)
    await assertServed()
    const grown = watch.stop() - before
    t.diagnostic(`${Math.round(grown / mebibyte)} MiB more`)
    assert.ok(grown < maxGrowthBytes, `grew by ${Math.round(grown / mebibyte)} MiB`)
    assert.equal(await sidecar.terminate(), 0)
  })
}
