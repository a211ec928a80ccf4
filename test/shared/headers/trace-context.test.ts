// The trace context: what came is made valid, our handle stands first, and nobody else's stays.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { headerValues } from '../../../shared/head.ts'
import {
  formatTraceParent,
  readTraceParent,
  stripHandles,
  withHandle,
  withTraceParent,
} from '../../../shared/headers/trace-context.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const parentId = 'b7ad6b7169203331'
const valid = `00-${traceId}-${parentId}-01`
const handle = 'TAGx' + 'A'.repeat(22)
const own = `onbehalf=${handle}`

// traceparent.

const parents: readonly (readonly [came: string, passed: string | undefined])[] = [
  [valid, valid],
  [`00-${traceId}-${parentId}-00`, `00-${traceId}-${parentId}-00`],
  [` ${valid} `, valid],
  // Flags that some agents do not know.
  [`00-${traceId}-${parentId}-03`, valid],
  [`00-${traceId}-${parentId}-fe`, `00-${traceId}-${parentId}-00`],
  // A later version is read as this one, whatever stands behind.
  [`01-${traceId}-${parentId}-01`, valid],
  [`cc-${traceId}-${parentId}-01-what-comes`, valid],
  // What is none.
  [`00-${traceId}-${parentId}-01-more`, undefined],
  [`ff-${traceId}-${parentId}-01`, undefined],
  [`00-${'0'.repeat(32)}-${parentId}-01`, undefined],
  [`00-${traceId}-${'0'.repeat(16)}-01`, undefined],
  [valid.toUpperCase(), undefined],
  [`00-${traceId.slice(1)}-${parentId}-01`, undefined],
  [`00-${traceId}-${parentId}`, undefined],
  [`00-${traceId}-${parentId}-1`, undefined],
  [`${valid},${valid}`, undefined],
  ['', undefined],
]

for (const [came, passed] of parents) {
  test(`traceparent ${JSON.stringify(came)} is ${passed === undefined ? 'none' : 'passed on as ' + passed}`, () => {
    const read = readTraceParent(['traceparent', came])
    assert.equal(read && formatTraceParent(read), passed)
    assert.equal(read?.traceId, passed && traceId)
  })
}

test('two traceparents are none', () => {
  assert.equal(readTraceParent(['traceparent', valid, 'Traceparent', valid]), undefined)
})

// Our handle goes in.

function given(...headers: string[]) {
  const parent = readTraceParent(headers) ?? {
    traceId: 'started',
    spanId: 'here',
    isSampled: false,
    isContinued: false,
  }
  const all = withHandle(headers, handle, parent)
  const one = (name: string) => {
    const values = headerValues(all, name)
    assert.equal(values.length, 1, name)
    return values[0] as string
  }
  return { parent: one('traceparent'), state: one('tracestate'), baggage: one('baggage'), all }
}

test('without a trace context there is a new one', () => {
  const { parent, state, baggage } = given('Accept', '*')
  assert.deepEqual([parent, state, baggage], ['00-started-here-00', own, own])
})

test('a trace context is continued, ours leftmost, the others in their order', () => {
  const { parent, state, baggage, all } = given(
    'Tracestate',
    'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE',
    'traceparent',
    valid,
    'tracestate',
    'tenant@vendor=x',
    'Baggage',
    'userId=alice,isProduction=false;p=1',
    'X-Own',
    '1',
  )
  assert.equal(parent, valid)
  assert.equal(state, `${own},rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,tenant@vendor=x`)
  assert.equal(baggage, `${own},userId=alice,isProduction=false;p=1`)
  assert.deepEqual(all.slice(0, 2), ['X-Own', '1'])
})

test('a tracestate without a valid traceparent is nobody’s, and baggage stays', () => {
  const { parent, state, baggage } = given('traceparent', 'none', 'tracestate', 'a=1', 'baggage', 'b=2')
  assert.deepEqual([parent, state, baggage], ['00-started-here-00', own, `${own},b=2`])
})

const states: readonly (readonly [why: string, came: string, kept: string])[] = [
  ['a key in upper case', 'Key=1,a=1', 'a=1'],
  ['a key that begins with a digit', '1a=1,a=1', 'a=1'],
  ['a tenant that begins with a digit stays', '1a@dt=1', '1a@dt=1'],
  ['a key that is too long', `${'k'.repeat(257)}=1,a=1`, 'a=1'],
  ['a member without a value', 'b,a=1', 'a=1'],
  ['an empty value', 'b=,a=1', 'a=1'],
  ['a value that is too long', `b=${'v'.repeat(257)},a=1`, 'a=1'],
  ['a value with an equals sign', 'b=1=2,a=1', 'a=1'],
  ['a character beyond ASCII', 'b=\u00e9,a=1', 'a=1'],
  ['empty members', ',, a=1 ,,', 'a=1'],
  ['a key that comes twice', 'a=1,b=2,a=3', 'a=1,b=2'],
  ['a space within a value stays', 'a=1 2', 'a=1 2'],
]
for (const [why, came, kept] of states) {
  test(`tracestate: ${why}`, () => {
    assert.equal(given('traceparent', valid, 'tracestate', came).state, `${own},${kept}`)
  })
}

const baggages: readonly (readonly [why: string, came: string, kept: string])[] = [
  ['a key with a space', 'b c=1,a=1', 'a=1'],
  ['a member without a value', 'b,a=1', 'a=1'],
  ['an empty value stays', 'a=', 'a='],
  ['a quoted value', 'b="1",a=1', 'a=1'],
  ['a value with a space', 'b=1 2,a=1', 'a=1'],
  ['a percent-encoded value stays', 'a=%20', 'a=%20'],
  ['a property that is none', 'b=1;=,a=1', 'a=1'],
  ['a key that comes twice: the last counts', 'a=1,b=2,a=3', 'a=3,b=2'],
]
for (const [why, came, kept] of baggages) {
  test(`baggage: ${why}`, () => {
    assert.equal(given('baggage', came).baggage, `${own},${kept}`)
  })
}

test('32 members and 512 bytes of tracestate: ours is among them, and what does not fit is left off', () => {
  const many = Array.from({ length: 32 }, (_, i) => `k${i}=v`)
  assert.deepEqual(given('traceparent', valid, 'tracestate', many.join()).state.split(','), [
    own,
    ...many.slice(0, 31),
  ])
  const wide = Array.from({ length: 20 }, (_, i) => `k${String(i).padStart(2, '0')}=${'v'.repeat(60)}`)
  const { state } = given('traceparent', valid, 'tracestate', wide.join())
  assert.deepEqual(state.split(','), [own, ...wide.slice(0, 7)])
  assert.ok(state.length <= 512)
})

test('of a tracestate that is too long, members over 128 characters go first', () => {
  const long = `long=${'v'.repeat(200)}`
  const short = Array.from({ length: 5 }, (_, i) => `k${i}=${'v'.repeat(80)}`)
  const { state } = given('traceparent', valid, 'tracestate', [long, ...short].join())
  assert.deepEqual(state.split(','), [own, ...short])
  assert.equal(given('traceparent', valid, 'tracestate', `${long},a=1`).state, `${own},${long},a=1`)
})

test('and no more of them than it takes', () => {
  const long = Array.from({ length: 3 }, (_, i) => `long${i}=${'v'.repeat(160)}`)
  const { state } = given('traceparent', valid, 'tracestate', [...long, 'a=1'].join())
  assert.deepEqual(state.split(','), [own, ...long.slice(0, 2), 'a=1'])
})

test('of baggage that is too long, what stands last goes first, however long it is', () => {
  const long = Array.from({ length: 5 }, (_, i) => `k${i}=${'v'.repeat(2_000)}`)
  assert.deepEqual(given('baggage', [...long, 'a=1'].join()).baggage.split(','), [own, ...long.slice(0, 4)])
})

test('64 members and 8,192 bytes of baggage', () => {
  const many = Array.from({ length: 100 }, (_, i) => `k${i}=v`)
  assert.equal(given('baggage', many.join()).baggage.split(',').length, 64)
  const wide = Array.from({ length: 60 }, (_, i) => `k${i}=${'v'.repeat(120)}`).concat(
    `b=${'v'.repeat(2_000)}`,
  )
  const { baggage } = given('baggage', wide.join())
  assert.ok(baggage.length <= 8_192 && baggage.startsWith(own))
})

// A handle comes out.

const members: readonly (readonly [came: string, rest: string, handles: readonly string[]])[] = [
  ['a=1,b=2', 'a=1,b=2', []],
  [own, '', [handle]],
  [`${own},a=1`, 'a=1', [handle]],
  [`a=1, ${own} , b=2`, 'a=1, b=2', [handle]],
  [`${own},a=1,${own}`, 'a=1', [handle]],
  [`${own},onbehalf=second`, '', [handle, 'second']],
  [`OnBehalf=${handle}`, '', [handle]],
  [`%6Fnbehalf=${handle},a=1`, 'a=1', [handle]],
  [`onbehalf=${handle};p=1`, '', [handle]],
  [`onbehalf = ${handle}`, '', [handle]],
  ['onbehalf', '', ['']],
  ['onbehalf;p=1', '', ['']],
  ['onbehalf=a%2Db', '', ['a-b']],
  ['onbehalf=%zz', '', ['%zz']],
  ['onbehalfof=1,x-onbehalf=2,a=onbehalf', 'onbehalfof=1,x-onbehalf=2,a=onbehalf', []],
  ['%zz=1', '%zz=1', []],
  [`,${own},`, '', [handle]],
]
for (const [came, rest, handles] of members) {
  test(`out of ${JSON.stringify(came)} comes ${JSON.stringify(handles)}`, () => {
    assert.deepEqual(stripHandles(came), { rest, handles })
  })
}

test('whatever came, an agent that reads the result finds our handle once, and first', () => {
  const text = fc
    .string({ unit: 'binary-ascii', maxLength: 60 })
    .map((value) => value.replaceAll(/[\r\n\0]/g, ''))
  const member = fc.oneof(
    text,
    fc.constant('onbehalf=theirs'),
    fc.constant('a=1'),
    fc.constant('%6fnbehalf=theirs'),
  )
  const field = fc.array(member, { maxLength: 40 }).map((list) => list.join(','))
  fc.assert(
    fc.property(field, field, fc.constantFrom(valid, 'none'), (state, baggage, parent) => {
      const cleaned = [
        ['traceparent', parent],
        ['tracestate', stripHandles(state).rest],
        ['baggage', stripHandles(baggage).rest],
      ].flat()
      const made = given(...cleaned)
      for (const value of [made.state, made.baggage]) {
        assert.ok(value === own || value.startsWith(`${own},`))
        assert.deepEqual(stripHandles(value).handles, [handle])
      }
      assert.ok(made.state.length <= 512 && made.state.split(',').length <= 32)
      const keys = made.state.split(',').map((each) => each.split('=', 1)[0])
      assert.equal(new Set(keys).size, keys.length)
    }),
    { numRuns: 2_000 },
  )
})

// Another parent goes in.

test('another span of the same trace takes the place of the one that came, beside what was kept of its state', () => {
  const parent = { traceId, spanId: 'c'.repeat(16), isSampled: true, isContinued: true }
  assert.deepEqual(withTraceParent(['a', '1', 'traceparent', valid, 'tracestate', 'x=1'], parent), [
    'a',
    '1',
    'traceparent',
    `00-${traceId}-${'c'.repeat(16)}-01`,
    'tracestate',
    'x=1',
  ])
})

test('in another trace the state of the one that came is nobody’s', () => {
  const parent = { traceId: 'd'.repeat(32), spanId: 'c'.repeat(16), isSampled: false, isContinued: false }
  assert.deepEqual(withTraceParent(['tracestate', 'x=1', 'a', '1'], parent), [
    'a',
    '1',
    'traceparent',
    `00-${'d'.repeat(32)}-${'c'.repeat(16)}-00`,
  ])
})
