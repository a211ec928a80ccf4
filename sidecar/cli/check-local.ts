// What `onbehalf check` says of what is beside the sidecar: its certificate, and its app.
import { X509Certificate } from 'node:crypto'
import { connect } from 'node:net'
import type { Endpoint, Mesh } from '../../shared/config/mesh.ts'
import type { Minter } from '../credential/minter.ts'
import type { MaterialFault } from '../material.ts'
import { rowsFor, type Row } from './check-row.ts'

const dayMs = 24 * 60 * 60 * 1000
/** Whoever renews in time does it with a third of the life left (cert-manager, SPIRE, step-ca), or before this. */
const renewalShare = 1 / 3
const renewalMs = 30 * dayMs
const appDeadlineMs = 2_000

/** Files that cannot be used, but for key sets: of those their issuer's rows speak. */
export function checkFaults({ issuers }: Mesh, faults: readonly MaterialFault[]): Row[] {
  const keySets = new Set(issuers.flatMap(({ jwks }) => (jwks.kind === 'file' ? jwks.file : [])))
  const others = faults.filter(({ file }) => !keySets.has(file))
  return others.map(({ file, message }) => rowsFor('files').fail(`${file}: ${message}`))
}

/** The account's certificate: when it ends, and whether somebody should have renewed it. */
export function checkCertificate(minter: Minter | undefined, nowMs: number): Row {
  const rows = rowsFor('certificate')
  if (minter === undefined) {
    return rows.info('this service has no certificate: it mints nothing, and calls nobody by way of the mesh')
  }
  const { account, notAfterMs, x5c } = minter
  const leaf = new X509Certificate(Buffer.from(x5c[0] as string, 'base64'))
  const leftMs = notAfterMs - nowMs
  const words = `of account ${account}, valid until ${new Date(notAfterMs).toISOString()}`
  if (leftMs <= 0) return rows.fail(`${words}: it has expired. Renew it`)
  const isLate = leftMs < Math.min((notAfterMs - leaf.validFromDate.getTime()) * renewalShare, renewalMs)
  if (!isLate) return rows.ok(words)
  return rows.warn(
    `${words}, in ${formatSpan(leftMs)}: less than a third of its life. Does what renews it run?`,
  )
}

function formatSpan(ms: number): string {
  if (ms >= 2 * dayMs) return `${Math.floor(ms / dayMs)} days`
  const hours = ms / (60 * 60 * 1000)
  return hours >= 2 ? `${Math.floor(hours)} hours` : `${Math.max(1, Math.floor(hours * 60))} minutes`
}

/** That the app takes connections. */
export async function checkApps({ app, appByPort }: Mesh): Promise<Row[]> {
  const endpoints = [...(app === undefined ? [] : [app]), ...appByPort.values()]
  if (endpoints.length === 0)
    return [rowsFor('app').warn('this service has no app: nothing can be forwarded')]
  return Promise.all(endpoints.map(checkApp))
}

async function checkApp({ host, port }: Endpoint): Promise<Row> {
  const rows = rowsFor('app')
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  const { promise, resolve } = Promise.withResolvers<Row>()
  const socket = connect({ host, port, timeout: appDeadlineMs })
  socket.once('connect', () => resolve(rows.ok(`${address} takes connections`)))
  socket.once('timeout', () =>
    resolve(rows.fail(`${address} does not answer within ${appDeadlineMs / 1000} s`)),
  )
  socket.once('error', ({ code }: NodeJS.ErrnoException) =>
    resolve(rows.fail(`${address} takes no connection (${code}): does the app run, and listen there?`)),
  )
  const row = await promise
  socket.destroy()
  return row
}
