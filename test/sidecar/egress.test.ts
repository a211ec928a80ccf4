// Where calls to unlisted hosts may really go: not around a sidecar, and not into this one.
import assert from 'node:assert/strict'
import type { LookupAddress } from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import os, { networkInterfaces, type NetworkInterfaceInfo } from 'node:os'
import { test } from 'node:test'
import { Refusal } from '../../shared/errors.ts'
import { judgeAddress, judgingLookup, LocalAddresses, type EgressRule } from '../../sidecar/egress.ts'
import { clockMs } from '../support/certificates.ts'

const localAddresses = new LocalAddresses(() => clockMs)
const deny: EgressRule = { local: 'deny', localAddresses, ownPorts: new Set([15001, 15006]) }
const allow: EgressRule = { ...deny, local: 'allow' }

function verdict(address: string, port: number, rule: EgressRule): string {
  try {
    judgeAddress(address, port, rule)
    return 'allowed'
  } catch (error) {
    if (error instanceof Refusal) return `${error.status} ${error.code}`
    throw error
  }
}

const own = Object.values(networkInterfaces())
  .flatMap((entries) => entries ?? [])
  .map(({ address }) => address)
const local = [
  '127.0.0.1',
  '127.255.255.254',
  '0.0.0.0',
  '0.1.2.3',
  '169.254.169.254',
  '::1',
  '::',
  'fe80::1',
  'febf::1',
  '0:0:0:0:0:0:0:1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:169.254.169.254',
  '::ffff:0.0.0.0',
  ...own,
]
for (const address of local) {
  test(`${address} is local: denied, or allowed where the mesh file says so, and never on our own ports`, () => {
    assert.equal(verdict(address, 80, deny), '403 egress_denied')
    assert.equal(verdict(address, 80, allow), 'allowed')
    for (const rule of [deny, allow]) assert.equal(verdict(address, 15001, rule), '421 route_not_found')
  })
}

for (const address of [
  '192.0.2.1',
  '10.0.0.1',
  '126.255.255.255',
  '128.0.0.1',
  '169.253.0.1',
  '1.0.0.1',
  '2001:db8::1',
  'fe00::1',
  'fec0::1',
  '::ffff:192.0.2.1',
]) {
  test(`${address} is elsewhere and allowed on any port`, () => {
    for (const rule of [deny, allow])
      assert.deepEqual([verdict(address, 80, rule), verdict(address, 15001, rule)], ['allowed', 'allowed'])
  })
}

type Looked = { error: Error | null; address: string | LookupAddress[]; family: number | undefined }

function lookUp(name: string, port: number, rule: EgressRule, options: { all?: boolean }): Promise<Looked> {
  return new Promise((resolve) => {
    judgingLookup(port, rule)(name, options, (error, address, family) => resolve({ error, address, family }))
  })
}

test('a name is judged by what it resolves to', async () => {
  const { error, address } = await lookUp('localhost', 80, deny, { all: true })
  assert.ok(error instanceof Refusal && error.code === 'egress_denied')
  assert.deepEqual(address, [])
})

test('a name for this sidecar’s own port is refused, though local addresses are allowed', async () => {
  const { error } = await lookUp('localhost', 15001, allow, { all: true })
  assert.ok(error instanceof Refusal && error.status === 421)
})

test('a name that may be called is answered in the form that was asked for', async () => {
  const one = await lookUp('127.0.0.1', 80, allow, {})
  assert.deepEqual(one, { error: null, address: '127.0.0.1', family: 4 })
  const all = await lookUp('127.0.0.1', 80, allow, { all: true })
  assert.deepEqual(all.address, [{ address: '127.0.0.1', family: 4 }])
})

test('numbers that resolvers take for addresses are judged as those', async () => {
  for (const name of ['2130706433', '0x7f.1', '127.1', '0177.0.0.1']) {
    const { error } = await lookUp(name, 80, deny, { all: true })
    // Where a resolver does not know the form it finds nothing, which is as good.
    assert.ok(error !== null, name)
  }
})

test('a name that does not resolve is an error', async () => {
  const { error } = await lookUp('no such host', 80, allow, { all: true })
  assert.ok(error !== null && !(error instanceof Refusal))
})

test('an address that this host has got is local within a second, to the millisecond, whichever way the clock goes', (t) => {
  const live = { nowMs: clockMs, address: '198.51.100.1' }
  const interfaces = () => ({ eth0: [{ address: live.address, family: 'IPv4' } as NetworkInterfaceInfo] })
  t.mock.method(os, 'networkInterfaces', interfaces)
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
  const addresses = new LocalAddresses(() => live.nowMs)
  assert.ok(addresses.has('198.51.100.1') && !addresses.has('198.51.100.2'))
  live.address = '198.51.100.2'
  live.nowMs += 1_000
  assert.ok(addresses.has('198.51.100.1') && !addresses.has('198.51.100.2'))
  live.nowMs += 1
  assert.ok(!addresses.has('198.51.100.1') && addresses.has('198.51.100.2'))
  live.address = '198.51.100.3'
  live.nowMs -= 3_600_000
  assert.ok(addresses.has('198.51.100.3'))
})
