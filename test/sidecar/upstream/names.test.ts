// How long the addresses of a name count, by a real DNS server of the tests.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Names } from '../../../sidecar/upstream/names.ts'
import { eventually } from '../../support/eventually.ts'

interface Zone {
  /** IPv4 addresses of every name; none: it does not exist. */
  addresses: string[]
  ttlSeconds: number
  /** Questions for addresses, by when they came. */
  asked: number
}

/** Answers each question with the zone's addresses (RFC 1035 section 4). */
async function startDns(t: TestContext, zone: Zone): Promise<string> {
  const socket = createSocket('udp4')
  socket.on('message', (query, { port, address }) => {
    const end = query.indexOf(0, 12) + 5
    const isForIpv4 = query.readUInt16BE(end - 4) === 1
    const answers = isForIpv4 ? zone.addresses : []
    const head = Buffer.from(query.subarray(0, end))
    head.writeUInt16BE(zone.addresses.length === 0 ? 0x8183 : 0x8180, 2)
    head.writeUInt16BE(answers.length, 6)
    head.fill(0, 8, 12)
    const records = answers.map((each) => {
      const record = Buffer.from('c00c00010001000000000004', 'hex')
      record.writeUInt32BE(zone.ttlSeconds, 6)
      return Buffer.concat([record, Buffer.from(each.split('.').map(Number))])
    })
    if (isForIpv4) zone.asked++
    socket.send(Buffer.concat([head, ...records]), port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  return `127.0.0.1:${socket.address().port}`
}

interface Ground {
  readonly names: Names
  readonly zone: Zone
  readonly clock: { nowMs: number }
  /** How often the system was asked. */
  readonly lookups: string[]
}

async function start(t: TestContext, zone: Partial<Zone> = {}): Promise<Ground> {
  const whole = { addresses: ['192.0.2.1'], ttlSeconds: 30, asked: 0, ...zone }
  const server = await startDns(t, whole)
  const resolver = () => {
    const made = new Resolver({ timeout: 1_000, tries: 1 })
    made.setServers([server])
    return made
  }
  const clock = { nowMs: 0 }
  const lookups: string[] = []
  const names = new Names({
    resolver: resolver(),
    now: () => clock.nowMs,
    async lookUp(host) {
      lookups.push(host)
      return resolver().resolve4(host)
    },
  })
  return { names, zone: whole, clock, lookups }
}

/** Asked once for the addresses, and once for how long they count. */
const isSettled = ({ zone }: Ground, asked: number) =>
  eventually(async () => {
    await turn()
    return zone.asked >= asked
  }).then(() => new Promise((resolve) => setTimeout(resolve, 20)))

test('an answer counts as long as its records say, and serves on while it is found anew', async (t) => {
  const ground = await start(t, { ttlSeconds: 30 })
  const { names, zone, clock, lookups } = ground
  assert.deepEqual(await names.addressesOf('api.test'), ['192.0.2.1'])
  await isSettled(ground, 2)
  zone.addresses = ['192.0.2.2']
  clock.nowMs = 29_999
  assert.deepEqual(names.addressesOf('api.test'), ['192.0.2.1'])
  assert.equal(lookups.length, 1)
  clock.nowMs = 30_000
  assert.deepEqual(names.addressesOf('api.test'), ['192.0.2.1'])
  await isSettled(ground, 4)
  assert.deepEqual(names.addressesOf('api.test'), ['192.0.2.2'])
  assert.equal(lookups.length, 2)
})

test('records of no time count for a second, those of a day for five minutes', async (t) => {
  for (const [ttlSeconds, lifeMs] of [
    [0, 1_000],
    [86_400, 300_000],
  ] as const) {
    const ground = await start(t, { ttlSeconds })
    const { names, clock, lookups } = ground
    await names.addressesOf('api.test')
    await isSettled(ground, 2)
    clock.nowMs = lifeMs - 1
    void names.addressesOf('api.test')
    assert.equal(lookups.length, 1)
    clock.nowMs = lifeMs
    void names.addressesOf('api.test')
    assert.equal(lookups.length, 2)
  }
})

test('what no record holds counts for five seconds', async (t) => {
  const { clock } = await start(t)
  const lookups: string[] = []
  const lookUp = async (host: string) => {
    lookups.push(host)
    return ['127.0.0.1']
  }
  const names = new Names({
    lookUp,
    now: () => clock.nowMs,
    resolver: new Resolver({ timeout: 50, tries: 1 }),
  })
  await names.addressesOf('in-a-file.invalid')
  clock.nowMs = 4_999
  void names.addressesOf('in-a-file.invalid')
  assert.equal(lookups.length, 1)
  clock.nowMs = 5_000
  void names.addressesOf('in-a-file.invalid')
  assert.equal(lookups.length, 2)
})

test('who asks at the same time shares one answer', async (t) => {
  const { names, lookups } = await start(t)
  await Promise.all(Array.from({ length: 50 }, async () => names.addressesOf('api.test')))
  assert.equal(lookups.length, 1)
})

test('what was found last serves on for five minutes while nothing can be found', async (t) => {
  const ground = await start(t, { ttlSeconds: 1 })
  const { names, zone, clock } = ground
  await names.addressesOf('api.test')
  await isSettled(ground, 2)
  zone.addresses = []
  for (clock.nowMs = 5_000; clock.nowMs <= 300_000; clock.nowMs += 59_000) {
    assert.deepEqual(names.addressesOf('api.test'), ['192.0.2.1'])
  }
  clock.nowMs = 300_001
  await assert.rejects(async () => names.addressesOf('api.test'), /ENOTFOUND/)
})

test('an address stands for itself', () => {
  const names = new Names({ lookUp: () => assert.fail('asked for an address') })
  assert.deepEqual(names.addressesOf('192.0.2.9'), ['192.0.2.9'])
  assert.deepEqual(names.addressesOf('2001:db8::9'), ['2001:db8::9'])
})
