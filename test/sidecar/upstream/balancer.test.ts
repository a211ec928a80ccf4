// Which address is taken: by load and weight, and without those that took no connection.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Upstream } from '../../../shared/config/mesh.ts'
import { Balancer, type Choice } from '../../../sidecar/upstream/balancer.ts'
import { Names } from '../../../sidecar/upstream/names.ts'

interface Ground {
  readonly balancer: Balancer
  readonly clock: { nowMs: number }
  readonly events: string[]
}

const at = (host: string, weight?: number): Upstream => ({
  endpoint: { tls: false, host, port: 80 },
  weight,
})

/** `names` has what the names among the hosts stand for. */
function start(upstreams: readonly Upstream[], names: Readonly<Record<string, string[]>> = {}): Ground {
  const clock = { nowMs: 1_000 }
  const events: string[] = []
  const balancer = new Balancer({
    upstreams,
    names: new Names({
      now: () => clock.nowMs,
      lookUp: async (host) => names[host] ?? assert.fail(`ENOTFOUND ${host}`),
    }),
    now: () => clock.nowMs,
    onAside: (place, cause) => events.push(`${place}: ${(cause as Error).message}`),
    onBack: (place) => events.push(`${place} is back`),
  })
  return { balancer, clock, events }
}

async function choose({ balancer }: Ground, tried: readonly string[] = []): Promise<Choice> {
  const choice = await balancer.choose(new Set(tried))
  assert.ok(choice)
  return choice
}

const three = [at('10.0.0.1'), at('10.0.0.2'), at('10.0.0.3')]
const countsOf = (addresses: readonly string[]) =>
  Object.fromEntries([...Map.groupBy(addresses, (each) => each)].map(([each, { length }]) => [each, length]))

test('the address with the fewest requests is taken', async () => {
  const ground = start(three)
  const held = [await choose(ground), await choose(ground), await choose(ground)]
  assert.equal(new Set(held.map(({ address }) => address)).size, 3)
  held[1]?.release()
  held[1]?.release()
  assert.equal((await choose(ground)).address, held[1]?.address)
})

test('of those with as few, each has its turn', async () => {
  const ground = start(three)
  const taken: string[] = []
  for (let i = 0; i < 30; i++) {
    const choice = await choose(ground)
    taken.push(choice.address)
    choice.release()
  }
  assert.deepEqual(countsOf(taken), { '10.0.0.1': 10, '10.0.0.2': 10, '10.0.0.3': 10 })
})

test('weights share requests out, one after the other and beside each other', async () => {
  for (const isHeld of [false, true]) {
    const ground = start([at('10.0.0.1', 3), at('10.0.0.2', 1)])
    const taken: string[] = []
    for (let i = 0; i < 40; i++) {
      const choice = await choose(ground)
      taken.push(choice.address)
      if (!isHeld) choice.release()
    }
    assert.deepEqual(countsOf(taken), { '10.0.0.1': 30, '10.0.0.2': 10 })
  }
})

test('the weight of a name is that of all its addresses', async () => {
  const ground = start([at('many.test', 2), at('10.0.0.9', 1)], { 'many.test': ['10.0.0.1', '10.0.0.2'] })
  // What is known is not held up by what is still looked up.
  const early = await choose(ground)
  assert.equal(early.address, '10.0.0.9')
  early.release()
  const taken: string[] = []
  for (let i = 0; i < 30; i++) {
    const choice = await choose(ground)
    taken.push(choice.address)
    choice.release()
  }
  assert.deepEqual(countsOf(taken), { '10.0.0.1': 10, '10.0.0.2': 10, '10.0.0.9': 10 })
})

test('what took no connection is set aside, for longer each time, and is back when it takes one', async () => {
  const ground = start([at('10.0.0.1'), at('10.0.0.2')])
  const addressesOf = async () => {
    const choices = await Promise.all([choose(ground), choose(ground)])
    for (const choice of choices) choice.release()
    return new Set(choices.map(({ address }) => address))
  }
  const failing = await choose(ground, ['10.0.0.2:80'])
  for (const leastMs of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    failing.failed('10.0.0.1', new Error('refused'))
    failing.failed('10.0.0.1', new Error('refused beside the other'))
    ground.clock.nowMs += leastMs - 1
    assert.deepEqual(await addressesOf(), new Set(['10.0.0.2']))
    // A fifth of it, at most, is left to chance.
    ground.clock.nowMs += leastMs * 0.2 + 1
    failing.release()
    assert.deepEqual(await addressesOf(), new Set(['10.0.0.1', '10.0.0.2']))
  }
  assert.equal(ground.events.length, 7)
  failing.connected('10.0.0.1')
  failing.connected('10.0.0.1')
  assert.deepEqual(ground.events.slice(7), ['10.0.0.1:80 is back'])
  failing.failed('10.0.0.1', new Error('refused'))
  ground.clock.nowMs += 1_200
  assert.deepEqual(await addressesOf(), new Set(['10.0.0.1', '10.0.0.2']))
})

test('where all are set aside, that whose time is over first is taken', async () => {
  const ground = start([at('10.0.0.1'), at('10.0.0.2')])
  const [first, second] = [await choose(ground), await choose(ground)]
  first.failed(first.address, new Error('refused'))
  ground.clock.nowMs += 500
  second.failed(second.address, new Error('refused'))
  first.release()
  assert.equal((await choose(ground)).address, first.address)
})

test('the only address is never set aside', async () => {
  const ground = start([at('one.test')], { 'one.test': ['10.0.0.1'] })
  const choice = await choose(ground)
  choice.failed('10.0.0.1', new Error('refused'))
  assert.deepEqual([choice.hasOthers, ground.events], [false, []])
})

test('what was tried is not taken again', async () => {
  const ground = start(three)
  const tried: string[] = []
  for (let i = 0; i < 3; i++) {
    const choice = await choose(ground, tried)
    assert.equal(choice.hasOthers, i < 2)
    tried.push(choice.name)
  }
  assert.equal(new Set(tried).size, 3)
  assert.equal(await ground.balancer.choose(new Set(tried)), undefined)
})

test('the addresses of a name are tried by family in turn, without those that are set aside', async () => {
  const addresses = ['2001:db8::1', '2001:db8::2', '10.0.0.1', '10.0.0.2']
  const ground = start([at('dual.test')], { 'dual.test': addresses })
  const choice = await choose(ground, [
    '[2001:db8::2]:80 (dual.test)',
    '10.0.0.1:80 (dual.test)',
    '10.0.0.2:80 (dual.test)',
  ])
  assert.deepEqual(choice.candidates, ['2001:db8::1', '10.0.0.1', '2001:db8::2', '10.0.0.2'])
  choice.failed('10.0.0.1', new Error('refused'))
  assert.deepEqual(choice.candidates, ['2001:db8::1', '10.0.0.2', '2001:db8::2'])
})

test('a name that cannot be found takes nothing from the others', async () => {
  const ground = start([at('gone.test'), at('10.0.0.1')])
  assert.equal((await choose(ground)).address, '10.0.0.1')
  await assert.rejects(async () => choose(start([at('gone.test')])), /ENOTFOUND/)
})
