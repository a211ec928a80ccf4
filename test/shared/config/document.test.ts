// Where the parts of a mesh file stand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readDocument } from '../../../shared/config/document.ts'

const document = readDocument('a:\n  b: [1, {c: 2}]\nd:\ne:\n  - x: 1\n    y: 2\nf: &f {g: 3}\nh: *f\n')

function at(position: { line: number; column: number }): string {
  return `${position.line}:${position.column}`
}

test('a scalar stands where it is written', () => {
  assert.equal(at(document.locate(['a', 'b', 1, 'c'])), '2:14')
  assert.equal(at(document.locate(['e', 0, 'y'])), '6:8')
})

test('a map or a list that a key holds stands at its key', () => {
  assert.equal(at(document.locate(['a', 'b'])), '2:3')
  assert.equal(at(document.locate(['e', 0])), '5:5')
})

test('a key is found as such, and a key without a value', () => {
  assert.equal(at(document.locateKey(['a', 'b', 1, 'c'])), '2:11')
  assert.equal(at(document.locate(['d'])), '3:1')
})

test('what is missing stands at its nearest ancestor', () => {
  assert.equal(at(document.locate(['a', 'x', 'y'])), '1:1')
  assert.equal(at(document.locate(['e', 0, 'nope'])), '5:5')
  assert.equal(at(document.locate(['nope'])), '1:1')
})

test('what an alias stands for is where its anchor is', () => {
  assert.equal(at(document.locate(['h', 'g'])), '7:11')
  assert.deepEqual((document.value as { h: unknown }).h, { g: 3 })
})

test('lines and columns count from 1 behind a byte order mark and with CRLF', () => {
  assert.equal(at(readDocument('a: 1\r\nb: 2\r\n').locate(['b'])), '2:4')
})

test('brackets nested by the thousand are a fault and no crash', () => {
  const { value, faults } = readDocument('['.repeat(50_000))
  assert.equal(value, undefined)
  assert.ok(faults.length > 0)
})

test('the parser does not quote the file in its messages', () => {
  for (const text of [
    'a: "x\\hunter2"',
    'a: 1\nhunter2',
    '- a\nhunter2: [',
    'a: b\n  hunter2: c',
    '@hunter2',
    'a: `hunter2`',
  ]) {
    const { faults } = readDocument(text)
    assert.ok(faults.length > 0, text)
    assert.doesNotMatch(faults.map((fault) => fault.message).join(), /hunter2/)
  }
})
