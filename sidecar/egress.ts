// Keeps the outbound listener from being a way around a sidecar: where calls to unlisted hosts may really go.
import type { LookupAddress } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Mesh } from '../shared/config/mesh.ts'
import { Refusal } from '../shared/errors.ts'
import { readLocalRoutes } from './local-routes.ts'
import { UnlistedNames } from './unlisted-names.ts'

/** Where clouds tell a machine its credentials over IPv6: as link-local as 169.254.169.254, but for the form. */
const metadataServices = ['fd00:ec2::254', 'fd20:ce::254']

/** Loopback, link-local and unspecified addresses (RFC 6890), and those of this host; IPv4-mapped ones included. */
function readLocalAddresses(): BlockList {
  const list = new BlockList()
  list.addSubnet('127.0.0.0', 8, 'ipv4')
  list.addSubnet('169.254.0.0', 16, 'ipv4')
  list.addSubnet('0.0.0.0', 8, 'ipv4')
  list.addAddress('::1', 'ipv6')
  list.addAddress('::', 'ipv6')
  list.addSubnet('fe80::', 10, 'ipv6')
  for (const address of metadataServices) list.addAddress(address, 'ipv6')
  for (const { address, family } of Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])) {
    list.addAddress(address, family === 'IPv4' ? 'ipv4' : 'ipv6')
  }
  for (const { address, prefix, family } of readLocalRoutes()) list.addSubnet(address, prefix, family)
  return list
}

/** Interfaces come and go, but not with every request. */
const rereadMs = 1_000

/** The addresses that are this host itself, read anew at most once a second. */
export class LocalAddresses {
  readonly #now: () => number
  #list = readLocalAddresses()
  #readAtMs: number

  constructor(now: () => number) {
    this.#now = now
    this.#readAtMs = now()
  }

  has(address: string): boolean {
    const nowMs = this.#now()
    if (Math.abs(nowMs - this.#readAtMs) > rereadMs) {
      this.#list = readLocalAddresses()
      this.#readAtMs = nowMs
    }
    return this.#list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }
}

export interface EgressRule {
  readonly local: 'allow' | 'deny'
  readonly localAddresses: LocalAddresses
  readonly ownPorts: ReadonlySet<number>
}

/**
 * Judges an address that a call to an unlisted host would really go to, names resolved.
 * @throws {Refusal} `route_not_found` (421) for the sidecar's own ports, `egress_denied` for other local addresses.
 */
export function judgeAddress(address: string, port: number, rule: EgressRule): void {
  refuseSelf(address, port, rule)
  if (rule.local === 'deny' && rule.localAddresses.has(address)) {
    throw new Refusal(
      'egress_denied',
      'The mesh file lets no call to an unlisted host go to a local address (egress.local).',
    )
  }
}

/** @throws {Refusal} `route_not_found` (421): going there, a call would come round in circles. */
export function refuseSelf(address: string, port: number, rule: Omit<EgressRule, 'local'>): void {
  if (rule.ownPorts.has(port) && rule.localAddresses.has(address)) throw isSelf()
}

export function isSelf(): Refusal {
  return new Refusal('route_not_found', 'This destination is the sidecar itself.', { status: 421 })
}

/**
 * Judges bytes of which nothing but where they go is known.
 * @throws {Refusal} `egress_denied` where the mesh file lets calls go to routes only.
 */
export function refuseUnlisted({ egress, mode }: Mesh): void {
  if (egress.unlisted === 'allow' || mode === 'report') return
  throw new Refusal(
    'egress_denied',
    'No route names this host, and the mesh file lets calls go to routes only.',
  )
}

const names = new UnlistedNames()

/** Resolves a name and judges each address, so that no name can stand for what an address may not. */
export function judgingLookup(port: number, rule: EgressRule): LookupFunction {
  return (hostname, options, callback) => {
    names.find(hostname, options, (error, addresses) => {
      if (error !== null) {
        callback(error, [])
        return
      }
      try {
        for (const { address } of addresses) judgeAddress(address, port, rule)
      } catch (refusal) {
        callback(refusal as Error, [])
        return
      }
      answer(addresses, options.all === true, callback)
    })
  }
}

function answer(
  addresses: readonly LookupAddress[],
  all: boolean,
  callback: Parameters<LookupFunction>[2],
): void {
  const first = addresses[0]
  if (all || first === undefined) callback(null, [...addresses])
  else callback(null, first.address, first.family)
}
