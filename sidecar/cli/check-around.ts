// What `onbehalf check` says of the way around the sidecar: whether the app takes connections that nobody verified.
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { isLoopback } from '../../shared/config/address.ts'
import type { Endpoint, Mesh } from '../../shared/config/mesh.ts'
import { rowsFor, type Row } from './check-row.ts'

const deadlineMs = 1_000
/** A machine may have hundreds, of containers. */
const maxAddresses = 16
const remedy =
  'whoever reaches it there is verified by nobody. Let the app listen on 127.0.0.1 alone, or redirect inbound traffic (deploy/interception)'

export async function checkAround({ app, appByPort, listen }: Mesh): Promise<Row[]> {
  const own = new Set(Object.values(listen).flatMap((addresses) => addresses.map(({ port }) => port)))
  const endpoints = [...(app === undefined ? [] : [app]), ...appByPort.values()]
  const rows = await Promise.all(endpoints.filter(({ port }) => !own.has(port)).map(checkEndpoint))
  return rows.flat()
}

async function checkEndpoint({ host, port }: Endpoint): Promise<Row[]> {
  const rows = rowsFor('around')
  const isHere = isLoopback(host) || host === 'localhost'
  if (!isHere) return [rows.warn(`the app at ${host}:${port} is on no loopback address: ${remedy}`)]
  const addresses = outsideAddresses()
  const answers = await Promise.all(addresses.map((address) => takesConnections(address, port)))
  const open = addresses.filter((_, i) => answers[i])
  return open.length === 0
    ? [rows.ok(`the app takes no connection at port ${port} of this machine's other addresses`)]
    : [
        rows.warn(
          `the app takes connections at ${open.map((address) => at(address, port)).join(', ')}: ${remedy}`,
        ),
      ]
}

/** This machine's addresses that others can reach. */
function outsideAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  // A link-local address is none without its interface.
  const outside = all.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
  return outside.map(({ address }) => address).slice(0, maxAddresses)
}

function at(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

async function takesConnections(host: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect({ host, port, timeout: deadlineMs })
  socket.once('connect', () => resolve(true))
  for (const event of ['timeout', 'error']) socket.once(event, () => resolve(false))
  const answered = await promise
  socket.destroy()
  return answered
}
