// Networks and addresses, beside node:net: what is within one is what BlockList says.
import assert from 'node:assert/strict'
import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { parseNetwork } from '../../shared/network.ts'
import { fuzz, type Chance } from './fuzz.ts'
import { mutated } from './mutation.ts'

const addresses =
  '0.0.0.0 10.0.0.0 10.1.2.3 127.0.0.1 192.168.0.0 255.255.255.255 010.0.0.1 1.2.3 :: ::1 fd00:: fe80::1 2001:db8:: 1:2:3:4:5:6:7:8 ::ffff:10.0.0.0 ::ffff:a00:1'.split(
    ' ',
  )
const lengths = ['', '/0', '/8', '/16', '/24', '/32', '/64', '/104', '/128', '/129', '/08', '/']
const pieces = '0123456789abcdf.:/% '.split('')

function anyAddress(chance: Chance): string {
  return addresses[chance(addresses.length)] as string
}

fuzz('networks', { cases: 10_000, atLeast: { outcome: 'the same', oneIn: 16 } }, (chance) => {
  const text = mutated(`${anyAddress(chance)}${lengths[chance(lengths.length)]}`, pieces, chance)
  const network = parseNetwork(text)
  if (network === undefined) return 'refused'
  const [base, length] = text.split('/') as [string, string | undefined]
  assert.ok(isIPv4(base) || isIPv6(base), text)
  // What stands behind % names an interface.
  const [address = ''] = mutated(anyAddress(chance), pieces, chance).split('%')
  if (!isIPv4(address) && !isIPv6(address)) {
    assert.equal(network.contains(address), false, address)
    return 'no address'
  }
  // In a network of IPv6 no IPv4 address is, however it is written.
  const isSameKind = isPlainIpv4(base) === isPlainIpv4(address)
  const expected = isSameKind && blockListOf(base, length).check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
  assert.equal(network.contains(address), expected, JSON.stringify({ text, address }))
  return 'the same'
})

function isPlainIpv4(address: string): boolean {
  return isIPv4(address) || isMapped(address)
}

function isMapped(address: string): boolean {
  return /^\[::ffff:[0-9a-f]+:[0-9a-f]+\]$/.test(URL.parse(`http://[${address}]/`)?.hostname ?? '')
}

function blockListOf(base: string, length: string | undefined): BlockList {
  const list = new BlockList()
  const family = isIPv4(base) ? 'ipv4' : 'ipv6'
  list.addSubnet(base, length === undefined ? (family === 'ipv4' ? 32 : 128) : Number(length), family)
  return list
}
