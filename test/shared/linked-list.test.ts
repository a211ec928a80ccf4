// The list keeps the order in which values were added or moved, whatever is taken out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LinkedList, type Link } from '../../shared/linked-list.ts'

test('an empty list has no first', () => {
  const list = new LinkedList<number>()
  assert.deepEqual([list.first, list.size, [...list]], [undefined, 0, []])
})

test('whatever is added, moved and taken out, the list is as an array would be', () => {
  const step = fc.record({ act: fc.constantFrom('add', 'add', 'remove', 'move'), at: fc.nat(20) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const list = new LinkedList<number>()
      let expected: Link<number>[] = []
      steps.forEach(({ act, at }, i) => {
        const link = expected[at % Math.max(expected.length, 1)]
        if (act === 'add') expected.push(list.add(i))
        else if (link === undefined) return
        else if (act === 'remove') {
          list.remove(link)
          expected = expected.filter((each) => each !== link)
        } else {
          list.moveToEnd(link)
          expected = [...expected.filter((each) => each !== link), link]
        }
      })
      const values = expected.map(({ value }) => value)
      assert.deepEqual([...list], values)
      assert.deepEqual([list.first, list.size], [values[0], values.length])
    }),
  )
})
