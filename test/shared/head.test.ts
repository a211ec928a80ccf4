// Header values are found by name, without regard to case, and none is lost.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headerValues, trimBlanks } from '../../shared/head.ts'

test('all values of a name are found, in order and in any case', () => {
  assert.deepEqual(headerValues(['A', '1', 'b', '2', 'a', '3', 'A', ''], 'a'), ['1', '3', ''])
})

test('a value is never taken for a name', () => {
  assert.deepEqual(headerValues(['x', 'host', 'host', 'x'], 'host'), ['x'])
})

test('a name must match whole', () =>
  assert.deepEqual(headerValues(['hosts', '1', 'hos', '2', ' host', '3'], 'host'), []))

test('a look-alike that only lower-casing makes equal in length is no match', () => {
  assert.deepEqual(headerValues(['ho\u017ft', '1'], 'host'), [])
})

test('where there is none the list is empty', () => assert.deepEqual(headerValues([], 'host'), []))

test('blanks around a value are taken off, and none within', () => {
  assert.equal(trimBlanks(' \t a \t b\t '), 'a \t b')
  assert.equal(trimBlanks(' \t '), '')
  assert.equal(trimBlanks('\u00a0a\n'), '\u00a0a\n')
})
