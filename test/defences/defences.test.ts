// Each attack has its defence, which stands where the list says; `make defences` takes them out one by one.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { defences, elsewhere } from './defences.ts'

const root = path.resolve(import.meta.dirname, '../..')

const files = readdirSync(path.join(root, 'test/attacks')).filter((name) => name.endsWith('.test.ts'))

test('each attack says in its first line what the attacker wants', () => {
  for (const name of files) {
    const [first = ''] = readFileSync(path.join(root, 'test/attacks', name), 'utf8').split('\n')
    assert.match(first, /^\/\/ The attacker .*(?:wants|looks for|writes|speaks)/, name)
  }
})

test('each attack has a defence that can be taken out, or is held off elsewhere', () => {
  const attacks = files.map((name) => name.slice(0, -'.test.ts'.length))
  const known = [...new Set([...defences.map(({ attack }) => attack), ...Object.keys(elsewhere)])]
  assert.deepEqual(known.toSorted(), attacks.toSorted())
})

for (const { attack, file, text } of defences) {
  test(`the defence against ${attack} stands in ${file} once`, () => {
    assert.equal(readFileSync(path.join(root, file), 'utf8').split(text).length, 2)
  })
}
