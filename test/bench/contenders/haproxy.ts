// HAProxy doing what an inbound sidecar does: `jwt_verify` ES256, checks of the claims, an identity header.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { freePort, identityHeader, isListening, ownFolder, type Bed } from '../bed.ts'
import { cores } from '../processes.ts'
import { host } from '../users.ts'
import type { Contender } from './contender.ts'

export const haproxy: Contender = {
  name: 'haproxy',
  title: 'HAProxy, `jwt_verify` for each request',
  command: 'haproxy',
  verifies: true,
  start: async (bed) => {
    const port = await freePort()
    const file = path.join(await ownFolder(bed.folder, 'haproxy'), 'haproxy.cfg')
    await writeFile(file, configuration(bed, port))
    const startedMs = performance.now()
    const process = bed.processes.start('haproxy', cores.proxy, ['haproxy', '-db', '-f', file])
    await process.until(() => isListening(port))
    const startToReadyMs = performance.now() - startedMs
    return { pid: process.pid, port, startToReadyMs, stop: process.stop }
  },
}

function configuration({ publicKeyFile, upstreamPort }: Bed, port: number): string {
  return `
global
  nbthread 1
  maxconn 4096

defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always

frontend inbound
  bind 127.0.0.1:${port}
  http-request set-var(txn.token) req.fhdr(x-pomerium-jwt-assertion)
  http-request deny deny_status 401 unless { var(txn.token),jwt_header_query('$.alg') -m str ES256 }
  http-request deny deny_status 401 unless { var(txn.token),jwt_payload_query('$.iss') -m str ${host} }
  http-request deny deny_status 401 unless { var(txn.token),jwt_payload_query('$.aud') -m str ${host} }
  http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 unless { var(txn.exp),sub(txn.now) -m int gt 0 }
  http-request deny deny_status 401 unless { var(txn.token),jwt_verify("ES256","${publicKeyFile}") -m int 1 }
  http-request set-header ${identityHeader} %[var(txn.token),jwt_payload_query('$.email')]
  default_backend app

backend app
  server app 127.0.0.1:${upstreamPort}
`
}
