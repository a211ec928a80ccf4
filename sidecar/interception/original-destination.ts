// Where a connection was going before a rule of the kernel redirected it here (SO_ORIGINAL_DST), read once for each.
import type { Socket } from 'node:net'
import { canonicalHost } from '../../shared/target.ts'
import { peerAddress } from '../http/peer-address.ts'
import { describeError, type Log } from '../telemetry/log.ts'

export interface OriginalDestination {
  /** In canonical form; IPv4-mapped IPv6 as IPv4. */
  readonly address: string
  readonly port: number
}

export interface OriginalDestinations {
  /** To be called once, when the connection was accepted. Undefined: it was not redirected. */
  read(socket: Socket): OriginalDestination | undefined
  /** What was read then. */
  of(socket: Socket): OriginalDestination | undefined
}

type GetSocketOption = (
  descriptor: number,
  level: number,
  name: number,
  value: Buffer,
  valueLength: Buffer,
) => number | bigint

/** linux/in.h, linux/netfilter_ipv4.h and linux/netfilter_ipv6/ip6_tables.h */
const levels = { ipv4: 0, ipv6: 41 } as const
const originalDestinationOption = 80
const addressBytes = 28

/** Loads what reads them when the first connection comes; where it cannot, none counts as redirected. */
export function createOriginalDestinations(log: Log): OriginalDestinations {
  const known = new WeakMap<Socket, OriginalDestination>()
  let loaded: { readonly getSocketOption: GetSocketOption | undefined } | undefined
  return {
    read(socket) {
      loaded ??= { getSocketOption: load(log) }
      if (loaded.getSocketOption === undefined) return undefined
      const destination = ask(loaded.getSocketOption, socket)
      // Who connects here directly is told this very place, where connections are tracked.
      if (destination === undefined || isWhereItWasAccepted(destination, socket)) return undefined
      known.set(socket, destination)
      return destination
    },
    of: (socket) => known.get(socket),
  }
}

function load(log: Log): GetSocketOption | undefined {
  if (process.platform !== 'linux') return undefined
  // eslint-disable-next-line typescript/unbound-method -- put back as it was
  const { emitWarning } = process
  try {
    // Its warning that it is experimental is for developers, not for whoever reads this log.
    process.emitWarning = () => undefined
    const { dlopen } = process.getBuiltinModule('node:ffi')
    const definition = { return: 'i32', arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'] } as const
    return dlopen(null, { getsockopt: definition }).functions.getsockopt
  } catch (error) {
    log.write('warn', 'original destinations cannot be read: every connection counts as not redirected', {
      cause: describeError(error),
    })
    return undefined
  } finally {
    process.emitWarning = emitWarning
  }
}

function ask(getSocketOption: GetSocketOption, socket: Socket): OriginalDestination | undefined {
  const { _handle: handle } = socket as unknown as { _handle: { fd?: number } | null }
  const descriptor = handle?.fd ?? -1
  if (descriptor < 0) return undefined
  const isIpv6 = peerAddress(socket).includes(':')
  const value = Buffer.alloc(addressBytes)
  const valueLength = Buffer.from(Uint32Array.of(addressBytes).buffer)
  const level = isIpv6 ? levels.ipv6 : levels.ipv4
  const status = getSocketOption(descriptor, level, originalDestinationOption, value, valueLength)
  return Number(status) === 0 ? parseSocketAddress(value, isIpv6) : undefined
}

/** `struct sockaddr_in` and `struct sockaddr_in6`: both have the port at the same place. */
function parseSocketAddress(value: Buffer, isIpv6: boolean): OriginalDestination | undefined {
  const port = value.readUInt16BE(2)
  if (!isIpv6) return { address: value.subarray(4, 8).join('.'), port }
  const groups = Array.from({ length: 8 }, (_, i) => value.readUInt16BE(8 + 2 * i).toString(16))
  const address = canonicalHost(groups.join(':'))
  return address === undefined ? undefined : { address, port }
}

function isWhereItWasAccepted({ address, port }: OriginalDestination, socket: Socket): boolean {
  return port === socket.localPort && address === canonicalHost(withoutZone(socket.localAddress ?? ''))
}

function withoutZone(address: string): string {
  return address.split('%', 1)[0] as string
}
