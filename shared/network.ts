// Parses IP networks once, so that an address is compared as bytes.
import { isIPv6 } from 'node:net'
import type { Network } from './config/mesh.ts'

/** IPv4 (and IPv4-mapped IPv6) as an unsigned number, all other IPv6 as 16 bytes. */
type Address = number | Uint8Array

/**
 * Parses an address (`10.1.2.3`, `fd00::1`) or a network in CIDR form (`10.0.0.0/8`, `fd00::/8`; RFC 4632, RFC 4291).
 * Strict: undefined for anything else, also where bits beyond the prefix are set (`10.0.0.1/8`), since such a text
 * says two things. IPv4-mapped IPv6 is IPv4, on both sides: `::ffff:10.0.0.0/104` is `10.0.0.0/8`, and `::/0` holds
 * no IPv4 address.
 */
export function parseNetwork(text: string): Network | undefined {
  const separator = text.indexOf('/')
  const addressText = separator < 0 ? text : text.slice(0, separator)
  const address = parseAddress(addressText)
  if (address === undefined) return undefined
  const written = separator < 0 ? undefined : parsePrefixLength(text.slice(separator + 1))
  if (separator >= 0 && written === undefined) return undefined
  if (typeof address !== 'number') return ipv6Network(text, address, written ?? 128)
  const isIpv6Text = addressText.includes(':')
  return ipv4Network(text, address, written === undefined ? 32 : isIpv6Text ? written - 96 : written)
}

function parsePrefixLength(text: string): number | undefined {
  return /^(?:0|[1-9][0-9]{0,2})$/.test(text) ? Number(text) : undefined
}

function ipv4Network(text: string, base: number, bits: number): Network | undefined {
  if (bits < 0 || bits > 32) return undefined
  const mask = bits === 0 ? 0 : (0xffff_ffff << (32 - bits)) >>> 0
  if ((base & mask) >>> 0 !== base) return undefined
  return {
    text,
    contains: (address) => {
      const candidate = parseAddress(address)
      return typeof candidate === 'number' && (candidate & mask) >>> 0 === base
    },
  }
}

function ipv6Network(text: string, base: Uint8Array, bits: number): Network | undefined {
  if (bits > 128) return undefined
  const mask = Uint8Array.from({ length: 16 }, (_, i) => 0xff00 >> Math.min(8, Math.max(0, bits - i * 8)))
  if (!isWithin(base, base, mask)) return undefined
  return {
    text,
    contains: (address) => {
      const candidate = parseAddress(withoutZone(address))
      return candidate instanceof Uint8Array && isWithin(candidate, base, mask)
    },
  }
}

function isWithin(address: Uint8Array, base: Uint8Array, mask: Uint8Array): boolean {
  for (let i = 0; i < 16; i++) {
    if (((address[i] as number) & (mask[i] as number)) !== base[i]) return false
  }
  return true
}

/** A socket names link-local peers with the interface: `fe80::1%eth0`. */
function withoutZone(address: string): string {
  const zone = address.indexOf('%')
  return zone < 0 ? address : address.slice(0, zone)
}

function parseAddress(text: string): Address | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

/** Four decimal parts. A leading zero is refused: some read it as octal. */
function parseIpv4(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let address = 0
  for (const part of parts) {
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined
    address = address * 256 + Number(part)
  }
  return address
}

function parseIpv6(text: string): Address | undefined {
  if (text.includes('%') || !isIPv6(text)) return undefined
  const [left, right] = text.split('::') as [string, string | undefined]
  const head = parseGroups(left)
  const tail = parseGroups(right ?? '')
  const bytes = new Uint8Array(16)
  bytes.set(head)
  bytes.set(tail, 16 - tail.length)
  return isMapped(bytes) ? new DataView(bytes.buffer).getUint32(12) : bytes
}

function parseGroups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff
}
