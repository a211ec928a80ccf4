// Each refusal says what it means, what usually causes it and what to change; the guide is made of these words.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { refusalsPage } from '../../deploy/guides/refusals.ts'
import { refusalCodes } from '../../shared/errors.ts'
import { refusalGuide } from '../../shared/refusal-guide.ts'
import { main } from '../../sidecar/cli/main.ts'

test('every code has whole sentences, of its own', () => {
  const meanings = refusalCodes.map((code) => refusalGuide[code].means)
  assert.equal(new Set(meanings).size, refusalCodes.length)
  for (const code of refusalCodes) {
    for (const text of Object.values(refusalGuide[code]))
      assert.match(text, /^(?:[A-Z]|onbehalf |[a-z_]+\.).{10,}\.$/, code)
  }
})

test('the guide says the same', async () => {
  const file = join(import.meta.dirname, '../../deploy/guides/refusals.md')
  assert.equal(await readFile(file, 'utf8'), refusalsPage(), 'run: node deploy/guides/refusals.ts')
})

test('onbehalf explain says it of each code, as text and as JSON, and asks no sidecar', async () => {
  for (const code of refusalCodes) {
    const written: string[] = []
    const output = { write: (text: string) => void written.push(text) }
    const io = { stdout: output, stderr: output, env: {}, cwd: '/' }
    assert.equal(await main(['explain', code], io), 0)
    assert.ok(written.join('').includes(refusalGuide[code].change))
    written.length = 0
    assert.equal(await main(['explain', code, '-o', 'json'], io), 0)
    assert.equal((JSON.parse(written.join('')) as { code: string }).code, code)
  }
})
