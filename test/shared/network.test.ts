// Networks: what is one, and which addresses are inside.
import assert from 'node:assert/strict'
import { BlockList } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseNetwork } from '../../shared/network.ts'

const memberships: [network: string, address: string, expected: boolean][] = [
  ['10.0.0.0/8', '10.255.0.1', true],
  ['10.0.0.0/8', '11.0.0.1', false],
  ['10.0.0.0/8', '::ffff:10.1.2.3', true],
  ['10.0.0.0/8', '::ffff:a01:203', true],
  ['192.0.2.128/25', '192.0.2.127', false],
  ['192.0.2.128/25', '192.0.2.255', true],
  ['255.255.255.255', '255.255.255.255', true],
  ['192.0.2.1', '192.0.2.1', true],
  ['192.0.2.1', '192.0.2.2', false],
  ['192.0.2.1/32', '192.0.2.1', true],
  ['0.0.0.0/0', '255.1.2.3', true],
  ['0.0.0.0/0', '::1', false],
  ['0.0.0.0/0', '256.0.0.1', false],
  ['::/0', '::1', true],
  ['::/0', '10.0.0.1', false],
  ['::/0', '::ffff:10.0.0.1', false],
  ['2001:db8::/32', '2001:db8:ffff::1', true],
  ['2001:db8::/32', '2001:db9::1', false],
  ['2001:db8::/33', '2001:db8:7fff::1', true],
  ['2001:db8::/33', '2001:db8:8000::1', false],
  ['fd00::1', 'fd00:0:0:0:0:0:0:1', true],
  ['FD00::1', 'fd00::1', true],
  ['fe80::/10', 'fe80::1%eth0', true],
  ['::ffff:10.0.0.0/104', '10.1.2.3', true],
  ['::ffff:10.0.0.1', '10.0.0.1', true],
  ['::ffff:0:0/96', '203.0.113.9', true],
  ['64:ff9b::192.0.2.0/120', '64:ff9b::c000:209', true],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8', true],
  ['10.0.0.0/8', 'nonsense', false],
  ['10.0.0.0/8', '', false],
  ['::/0', 'nonsense:', false],
]
for (const [network, address, expected] of memberships) {
  test(`${network} ${expected ? 'contains' : 'does not contain'} ${JSON.stringify(address)}`, () => {
    assert.equal(parseNetwork(network)?.contains(address), expected)
  })
}

const refused = [
  '',
  '/',
  '10',
  '10.0.0',
  '10.0.0.0.0',
  '256.0.0.1',
  '010.0.0.1',
  '10.0.0.0/',
  '10.0.0.0/33',
  '10.0.0.0/08',
  '10.0.0.0/-1',
  '10.0.0.0/8/8',
  '10.0.0.1/8',
  '192.0.2.1/0',
  ' 10.0.0.0/8',
  '10.0.0.0/8 ',
  '10.0.0.0/8.0',
  '0x0a000000',
  '10.0.0.0/255.0.0.0',
  'example.com',
  '2001:db8::/129',
  '2001:db8::1/32',
  '::1/0',
  'fe80::1%eth0',
  ':::',
  '1:2:3:4:5:6:7',
  '::ffff:10.0.0.1/104',
  '::ffff:0:0/95',
  '[::1]',
  '10.0.0.+1',
]
for (const text of refused) {
  test(`${JSON.stringify(text)} is no network`, () => assert.equal(parseNetwork(text), undefined))
}

test('a network keeps the text that it was written as', () => {
  assert.equal(parseNetwork('FD00::/8')?.text, 'FD00::/8')
})

test('IPv4 networks contain what the platform says', () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, base, bits) => {
      const list = new BlockList()
      list.addSubnet(base, bits, 'ipv4')
      const network = parseNetwork(`${maskedV4(base, bits)}/${bits}`)
      assert.equal(network?.contains(address), list.check(address, 'ipv4'))
      assert.equal(network?.contains(base), true)
    }),
  )
})

test('IPv6 addresses equal themselves in every spelling that the platform reads', () => {
  fc.assert(
    fc.property(fc.ipV6(), fc.ipV6(), (address, other) => {
      const list = new BlockList()
      list.addAddress(address, 'ipv6')
      assert.equal(parseNetwork(address)?.contains(address), true)
      assert.equal(parseNetwork(address)?.contains(other), list.check(other, 'ipv6'))
    }),
  )
})

function maskedV4(address: string, bits: number): string {
  const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  const size = 2 ** (32 - bits)
  const base = Math.floor(value / size) * size
  return [24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.')
}
