// CONNECT on the outbound side: bytes to unlisted hosts pass untouched; listed hosts are to be called by http://.
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { connect, isIP, type Socket } from 'node:net'
import type { Decision } from '../shared/decision.ts'
import { Refusal } from '../shared/errors.ts'
import { parseAuthority } from '../shared/target.ts'
import { judgeAddress, judgingLookup } from './egress.ts'
import type { Admission } from './exchange.ts'
import { refuseSocket } from './http/refuse.ts'
import { peerAddress } from './http/server.ts'
import type { Runtime } from './runtime.ts'

interface Destination {
  readonly host: string
  readonly port: number
}

/** Serves one CONNECT request (RFC 9110 section 9.3.6). */
export function tunnel(
  runtime: Runtime,
  admission: Admission,
  request: IncomingMessage,
  client: Socket,
  head: Buffer,
): void {
  const requestId = randomUUID()
  const { snapshot } = runtime.current()
  const { mesh } = snapshot
  client.on('error', () => client.destroy())
  const refuse = (refusal: Refusal) => {
    runtime.recorder.decided(decisionOf(request, requestId, mesh, runtime.now(), refusal))
    refuseSocket(client, refusal, requestId)
  }
  try {
    if (admission.draining) throw new Refusal('draining', 'This sidecar is stopping. Try again.')
    const destination = permit(request, mesh)
    const rule = { local: mesh.egress.local, ownPorts: runtime.ownPorts() }
    if (isIP(destination.host) !== 0) judgeAddress(destination.host, destination.port, rule)
    const upstream = connect({ ...destination, lookup: judgingLookup(destination.port, rule) })
    let connected = false
    if (mesh.timeouts.connectMs > 0) {
      upstream.setTimeout(mesh.timeouts.connectMs, () =>
        upstream.destroy(
          new Refusal('upstream_timeout', 'The upstream did not answer in time (timeouts.connect).'),
        ),
      )
    }
    upstream.on('error', (error) => {
      if (connected) client.destroy()
      else
        refuse(
          error instanceof Refusal
            ? error
            : new Refusal('upstream_refused', 'The upstream cannot be reached.', { cause: error }),
        )
    })
    client.once('close', () => upstream.destroy())
    upstream.once('close', () => client.destroySoon())
    upstream.once('connect', () => {
      connected = true
      runtime.recorder.decided(decisionOf(request, requestId, mesh, runtime.now(), undefined))
      for (const socket of [client, upstream]) socket.setTimeout(mesh.timeouts.idleMs, () => socket.destroy())
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      if (head.length > 0) upstream.write(head)
      client.pipe(upstream)
      upstream.pipe(client)
    })
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    refuse(error)
  }
}

function permit(request: IncomingMessage, mesh: Mesh): Destination {
  const authority = parseAuthority(request.url ?? '')
  if (authority?.port === undefined) {
    throw new Refusal('request_malformed', 'CONNECT needs a host and a port.')
  }
  if (mesh.routesByHost.has(authority.host)) {
    throw new Refusal(
      'call_not_allowed',
      `Nothing can be attached inside a tunnel. Call http://${authority.host}/ instead: the sidecar makes it TLS where the route says so.`,
    )
  }
  if (mesh.egress.unlisted === 'deny') {
    throw new Refusal(
      'egress_denied',
      'No route names this host, and the mesh file lets calls go to routes only.',
    )
  }
  return { host: authority.host, port: authority.port }
}

type Mesh = ReturnType<Runtime['current']>['snapshot']['mesh']

function decisionOf(
  request: IncomingMessage,
  requestId: string,
  mesh: Mesh,
  atMs: number,
  refusal: Refusal | undefined,
): Decision {
  return Object.freeze({
    requestId,
    direction: 'outbound',
    atMs,
    service: mesh.service,
    mode: mesh.mode,
    outcome: refusal === undefined ? 'allowed' : 'refused',
    code: refusal?.code,
    reason: refusal?.message ?? 'a tunnel to an unlisted host: bytes pass untouched',
    method: 'CONNECT',
    host: parseAuthority(request.url ?? '')?.host ?? '',
    path: '',
    route: undefined,
    peer: peerAddress(request.socket),
    caller: undefined,
    originalUser: undefined,
    source: undefined,
  })
}
