// CONNECT on the outbound side: bytes to unlisted hosts pass untouched; listed hosts are to be called by http://.
import { isIP, type Socket } from 'node:net'
import type { Mesh } from '../shared/config/mesh.ts'
import { makeDecision, type Decision } from '../shared/decision.ts'
import { Refusal } from '../shared/errors.ts'
import type { RequestHead } from '../shared/head.ts'
import { parseAuthority } from '../shared/target.ts'
import { judgeAddress, judgingLookup, refuseUnlisted } from './egress.ts'
import type { Admission } from './exchange.ts'
import { endAtOnce } from './http1/linger.ts'
import { rawRefusal } from './http/refuse.ts'
import { peerAddress } from './http/peer-address.ts'
import { asUpstreamRefusal, dial, passOn, relay, type Destination } from './relay.ts'
import { newRequestId } from './request-id.ts'
import type { Runtime } from './runtime.ts'

export interface Tunnels {
  /**
   * Serves one CONNECT request (RFC 9110 section 9.3.6).
   * @param ahead what the client sent behind it.
   * @param isRedirected it comes behind other requests, for a proxy of the app's own.
   */
  open(head: RequestHead, client: Socket, ahead: Buffer, isRedirected: boolean): void
  /** Ends those that are open. */
  close(): void
}

/** An open tunnel counts as a request under way. */
export function createTunnels(runtime: Runtime, admission: Admission): Tunnels {
  const clients = new Set<Socket>()
  return {
    open(head, client, ahead, isRedirected) {
      const peer = peerAddress(client)
      if (peer === '') {
        client.destroy()
        return
      }
      const requestId = newRequestId()
      const { mesh } = runtime.current().snapshot
      const startedMs = performance.now()
      clients.add(client)
      admission.enter(peer)
      client.once('close', () => {
        clients.delete(client)
        admission.leave(peer)
      })
      /** @returns what says how it ended. */
      const record = (refusal: Refusal | undefined) => {
        const decision = decisionOf(head, client, requestId, mesh, runtime.now(), refusal)
        runtime.recorder.decided(decision)
        return (status: number) =>
          runtime.recorder.ended(decision, { status, durationMs: performance.now() - startedMs })
      }
      const leaving = new AbortController()
      const stopWatching = whenLeft(client, () => leaving.abort())
      establish(runtime, admission, head, client, isRedirected, leaving.signal).then(
        (upstream) => {
          stopWatching()
          const end = record(undefined)
          client.once('close', () => end(200))
          relay(client, upstream, mesh.timeouts.idleMs)
          if (!client.destroyed) client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
          passOn(client, upstream, ahead)
        },
        (error: unknown) => {
          stopWatching()
          const refusal = asUpstreamRefusal(error)
          record(refusal)(refusal.status)
          // Of an answer to CONNECT many clients show its reason alone.
          endAtOnce(client, rawRefusal(refusal, requestId, refusal.message))
        },
      )
    },
    close() {
      for (const client of clients) client.destroy()
    },
  }
}

/**
 * Calls back when the client ends its connection before there is a tunnel. To see it one has to read; what it sends
 * ahead stays in the socket's buffer.
 * @returns what ends the watch.
 */
function whenLeft(client: Socket, onLeft: () => void): () => void {
  const onReadable = () => {
    if (client.readableLength === 0) client.read()
  }
  client.on('readable', onReadable).once('end', onLeft).once('close', onLeft)
  return () => {
    client.off('readable', onReadable).off('end', onLeft).off('close', onLeft)
  }
}

/** @throws {Refusal} the tunnel is not permitted; or another error, where the upstream cannot be reached. */
async function establish(
  runtime: Runtime,
  admission: Admission,
  head: RequestHead,
  client: Socket,
  isRedirected: boolean,
  leaving: AbortSignal,
): Promise<Socket> {
  const { mesh } = runtime.current().snapshot
  admission.admit(head.headers, mesh.limits, peerAddress(client))
  admission.shed(mesh.limits, performance.now(), client)
  if (isRedirected) {
    throw new Refusal(
      'request_malformed',
      'CONNECT to a proxy needs a connection on which nothing came before.',
    )
  }
  const destination = permit(head, mesh)
  const rule = runtime.egressRule()
  if (isIP(destination.host) !== 0) judgeAddress(destination.host, destination.port, rule)
  const lookup = judgingLookup(destination.port, rule)
  return dial({ ...destination, lookup }, mesh.timeouts.connectMs, leaving)
}

function permit(head: RequestHead, mesh: Mesh): Destination {
  const authority = parseAuthority(head.target)
  if (authority?.port === undefined) {
    throw new Refusal('request_malformed', 'CONNECT needs a host and a port.')
  }
  if (mesh.routesByHost.has(authority.host)) {
    throw new Refusal(
      'call_not_allowed',
      `Nothing can be attached inside a tunnel. Call http://${authority.host}/ instead: the sidecar makes it TLS where the route says so.`,
    )
  }
  refuseUnlisted(mesh)
  return { host: authority.host, port: authority.port }
}

function decisionOf(
  head: RequestHead,
  client: Socket,
  requestId: string,
  mesh: Mesh,
  atMs: number,
  refusal: Refusal | undefined,
): Decision {
  return makeDecision({
    requestId,
    direction: 'outbound',
    atMs,
    mesh,
    refusal,
    reason: 'a tunnel to an unlisted host: bytes pass untouched',
    method: 'CONNECT',
    target: { host: parseAuthority(head.target)?.host ?? '', originForm: '' },
    route: undefined,
    peer: peerAddress(client),
    caller: undefined,
    originalUser: undefined,
  })
}
