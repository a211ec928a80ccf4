// Our own JSON patches: where they lead, in which order, and that an API server would do the same.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  applyPatch,
  beneath,
  partsOf,
  pointer,
  type Operation,
} from '../../deploy/kubernetes/injection/patch.ts'
import { applyJsonPatch } from './json-patch.ts'

const add = (path: string, value: unknown): Operation => ({ op: 'add', path, value })
const replace = (path: string, value: unknown): Operation => ({ op: 'replace', path, value })

/** RFC 6901 section 5, and what comes of escaping in the wrong order. */
const pointers: readonly (readonly [readonly (string | number)[], string])[] = [
  [[], ''],
  [['foo', 0], '/foo/0'],
  [[''], '/'],
  [['a/b', 'm~n'], '/a~1b/m~0n'],
  [['~1', '~01'], '/~01/~001'],
  [['~/', '/~'], '/~0~1/~1~0'],
  [['c%d', 'e^f', 'k"l', ' '], '/c%d/e^f/k"l/ '],
]
for (const [parts, path] of pointers)
  test(`the pointer ${JSON.stringify(path)} and its parts`, () => {
    assert.equal(pointer(...parts), path)
    assert.deepEqual(partsOf(path), parts.map(String))
  })

const applied: readonly (readonly [string, unknown, readonly Operation[], unknown])[] = [
  ['a key with a slash', { a: {} }, [add('/a/b~1c~0d', 1)], { a: { 'b/c~d': 1 } }],
  ['a key that is there', { a: 1 }, [add('/a', 2)], { a: 2 }],
  ['the empty key', {}, [add('/', 1)], { '': 1 }],
  ['a number as a key', { a: {} }, [add('/a/0', 1)], { a: { 0: 1 } }],
  ['before an item', [1, 2], [add('/0', 0)], [0, 1, 2]],
  ['behind the last', [1], [add('/1', 2), add('/-', 3)], [1, 2, 3]],
  ['another item', [1, 2], [replace('/1', 3)], [1, 3]],
  ['a null', { a: null }, [replace('/a', [])], { a: [] }],
  ['a parent, then what it holds', {}, [add('/a', []), add('/a/0', {}), add('/a/0/b', 1)], { a: [{ b: 1 }] }],
  ['one after the other', [1], [add('/0', 'a'), replace('/0', 'b'), add('/0', 'c')], ['c', 'b', 1]],
]
for (const [what, document, operations, expected] of applied)
  test(`applied, and by an API server, too: ${what}`, () => {
    const before = structuredClone(document)
    assert.deepEqual(applyPatch(document, operations), expected)
    assert.deepEqual(document, before)
    assert.deepEqual(applyJsonPatch(document, operations), expected)
  })

const unfit: readonly (readonly [string, unknown, Operation])[] = [
  ['a parent that is missing', {}, add('/a/b', 1)],
  ['one far above', {}, add('/a/b/c', 1)],
  ['a parent that is null', { a: null }, add('/a/b', 1)],
  ['a parent that is a text', { a: 'x' }, add('/a/b', 1)],
  ['an item of a list that is missing', {}, add('/a/0', 1)],
  ['behind an item that is missing', [], add('/0/a', 1)],
  ['past the end', [1], add('/2', 1)],
  ['an item that is missing', [1], replace('/1', 2)],
  ['behind the last, instead of it', [1], replace('/-', 2)],
  ['before the first', [1], add('/-1', 2)],
  ['half an item', [1], add('/0.5', 2)],
  ['a name in a list', [1], add('/a', 2)],
  ['nothing in a list', [1], add('/', 2)],
  ['an item by another spelling', [1, 2], replace('/01', 3)],
  ['an item in hexadecimals', [1, 2], replace('/0x1', 3)],
  ['an inherited key', {}, replace('/toString', 1)],
  ['what an inherited key holds', {}, add('/constructor/a', 1)],
  ['the length of a list', [1], add('/length/a', 1)],
  ['the prototype of all', {}, add('/__proto__/polluted', 1)],
  ['no pointer', { a: 1 }, replace('a', 2)],
]
for (const [what, document, operation] of unfit)
  test(`refused, and by an API server, too: ${what}`, () => {
    const before = structuredClone(document)
    assert.throws(() => applyPatch(document, [operation]))
    assert.deepEqual(document, before)
    assert.throws(() => applyJsonPatch(document, [operation]))
    assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false)
  })

test('the whole document cannot be patched', () => {
  assert.throws(() => applyPatch({}, [replace('', 1)]), /the whole document/)
})

test('where one operation does not fit, none counts', () => {
  const document = { a: [] }
  assert.throws(() => applyPatch(document, [add('/a/-', 1), add('/b/c', 1)]), /\/b\/c leads nowhere/)
  assert.deepEqual(document, { a: [] })
})

test('what is added is a copy of its own', () => {
  const value = { items: [] as number[] }
  const [first, second] = applyPatch<(typeof value)[]>([value], [replace('/0', value), add('/1', value)])
  first?.items.push(1)
  assert.deepEqual([second, value], [{ items: [] }, { items: [] }])
})

test('a key that is called __proto__ is a key', () => {
  const patched = applyPatch({}, [add('/__proto__', { polluted: 1 })])
  assert.ok(Object.hasOwn(patched, '__proto__'))
  assert.equal('polluted' in {}, false)
})

test('beneath another place, in the same order', () => {
  const operations = [add('', 1), replace('/a', 2)]
  assert.deepEqual(beneath('/x', operations), [add('/x', 1), replace('/x/a', 2)])
})
