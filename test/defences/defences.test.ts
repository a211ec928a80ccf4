// Each attack has its defence, which stands where the list says; `make defences` takes them out one by one.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { defences, elsewhere } from './defences.ts'

const root = path.resolve(import.meta.dirname, '../..')

test('each attack has a defence that can be taken out, or is held off elsewhere', () => {
  const files = readdirSync(path.join(root, 'test/attacks'))
  const attacks = files.filter((name) => name.endsWith('.test.ts')).map((name) => name.slice(0, -8))
  const known = [...new Set([...defences.map(({ attack }) => attack), ...Object.keys(elsewhere)])]
  assert.deepEqual(known.toSorted(), attacks.toSorted())
})

for (const { attack, file, text } of defences) {
  test(`the defence against ${attack} stands in ${file} once`, () => {
    assert.equal(readFileSync(path.join(root, file), 'utf8').split(text).length, 2)
  })
}
