// A bound that holds after every step, and what was used longest ago goes first.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BoundedMap } from '../../shared/bounded-map.ts'

function filled(maxWeight: number, ...entries: readonly (readonly [key: string, weight: number])[]) {
  const map = new BoundedMap<string, string>(maxWeight)
  for (const [key, weight] of entries) map.set(key, `value of ${key}`, weight)
  return map
}

test('what was set is found', () => {
  const map = filled(10, ['a', 1], ['b', 2])
  assert.equal(map.get('a'), 'value of a')
  assert.equal(map.get('c'), undefined)
  assert.deepEqual({ size: map.size, weight: map.weight }, { size: 2, weight: 3 })
})

test('an entry weighs 1 unless told otherwise', () => {
  const map = new BoundedMap<number, number>(2)
  for (const key of [1, 2, 3]) map.set(key, key)
  assert.deepEqual([map.get(1), map.get(2), map.get(3)], [undefined, 2, 3])
})

test('what was set longest ago goes first', () => {
  const map = filled(3, ['a', 1], ['b', 1], ['c', 1], ['d', 1])
  assert.equal(map.get('a'), undefined)
  assert.equal(map.get('b'), 'value of b')
})

test('what was read stays longer than what was not', () => {
  const map = filled(3, ['a', 1], ['b', 1], ['c', 1])
  map.get('a')
  map.set('d', 'd')
  assert.equal(map.get('a'), 'value of a')
  assert.equal(map.get('b'), undefined)
})

test('a heavy entry displaces as many as it must, and no more', () => {
  const map = filled(5, ['a', 2], ['b', 2], ['c', 1], ['d', 3])
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => map.get(key) !== undefined),
    [false, false, true, true],
  )
})

test('an entry that is heavier than the bound is not kept, and displaces nothing', () => {
  const map = filled(5, ['a', 2], ['b', 6])
  assert.equal(map.get('b'), undefined)
  assert.equal(map.get('a'), 'value of a')
})

test('an entry that is replaced by one too heavy is gone: no old value stands for the new one', () => {
  const map = filled(5, ['a', 2], ['a', 6])
  assert.equal(map.get('a'), undefined)
  assert.equal(map.weight, 0)
})

test('an entry may be as heavy as the bound', () => assert.equal(filled(5, ['a', 5]).get('a'), 'value of a'))

test('an entry set again is counted once', () => {
  const map = filled(5, ['a', 2], ['a', 3])
  assert.deepEqual({ size: map.size, weight: map.weight }, { size: 1, weight: 3 })
})

test('what was deleted weighs nothing, and may be deleted again', () => {
  const map = filled(5, ['a', 2], ['b', 1])
  map.delete('a')
  map.delete('a')
  map.delete('never there')
  assert.equal(map.get('a'), undefined)
  assert.deepEqual({ size: map.size, weight: map.weight }, { size: 1, weight: 1 })
})

test('after any steps it agrees with a list that is searched by hand', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e')
  const step = fc.oneof(
    fc.record({ do: fc.constant('set' as const), key, weight: fc.integer({ min: 0, max: 8 }) }),
    fc.record({ do: fc.constant('get' as const), key }),
    fc.record({ do: fc.constant('delete' as const), key }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const maxWeight = 6
      const map = new BoundedMap<string, number>(maxWeight)
      /** Oldest use first. */
      let model: { key: string; value: number; weight: number }[] = []
      for (const [i, each] of steps.entries()) {
        const known = model.find((entry) => entry.key === each.key)
        const others = model.filter((entry) => entry !== known)
        if (each.do === 'get') {
          assert.equal(map.get(each.key), known?.value)
          if (known !== undefined) model = [...others, known]
        } else if (each.do === 'delete') {
          map.delete(each.key)
          model = others
        } else {
          map.set(each.key, i, each.weight)
          model =
            each.weight > maxWeight ? others : [...others, { key: each.key, value: i, weight: each.weight }]
          while (model.reduce((sum, entry) => sum + entry.weight, 0) > maxWeight) model.shift()
        }
        assert.equal(map.size, model.length)
        assert.equal(
          map.weight,
          model.reduce((sum, entry) => sum + entry.weight, 0),
        )
      }
    }),
  )
})
