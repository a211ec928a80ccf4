// The demo's tables.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { table, verdict } from '../../deploy/demo/print.ts'

test('the columns of a table are as wide as their widest cell, in the heading or a row', () => {
  const text = table(
    ['attack', 'at'],
    [
      ['none', 'App'],
      ['two assertions', 'Ledger'],
    ],
  )
  assert.deepEqual(text.split('\n'), [
    '  attack          at',
    '  none            App',
    '  two assertions  Ledger',
  ])
})

test('colour does not count as width', () => {
  const text = table(
    ['a', 'b'],
    [
      ['\u001B[32mok\u001B[39m', 'x'],
      ['DIFFERS', 'y'],
    ],
  )
  assert.equal(text.split('\n')[1], '  \u001B[32mok\u001B[39m       x')
})

test('a verdict is a word, whatever its colour', () => {
  assert.match(verdict(true), /ok/)
  assert.match(verdict(false), /DIFFERS/)
})
