// What the README states can be checked: its mesh file, its codes, its commands.
import assert from 'node:assert/strict'
import { access, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadMesh } from '../shared/config/load.ts'
import { refusalCodes } from '../shared/errors.ts'
import { commands } from '../deploy/cli/commands.ts'
import { main } from '../sidecar/cli/main.ts'

const root = join(import.meta.dirname, '..')
const readme = await readFile(join(root, 'README.md'), 'utf8')

test("the README's mesh file is a good one for each of its services", () => {
  const text = /```yaml\n([^]*?)```/.exec(readme)?.[1] ?? ''
  for (const service of ['App', 'API']) {
    const { mesh, problems } = loadMesh({ file: 'README.md', text, service })
    assert.deepEqual(
      problems.filter(({ severity }) => severity === 'error'),
      [],
    )
    assert.equal(mesh?.service, service)
  }
})

test('every refusal code has its line in the README, and no other has', () => {
  const rows = readme.split('\n').filter((line) => /^\| \d{3} \|/.test(line))
  const named = rows.flatMap((row) =>
    [...(row.split('|')[2] ?? '').matchAll(/`(\w+)`/g)].map((match) => match[1]),
  )
  assert.equal(named.length, refusalCodes.length)
  assert.deepEqual(new Set(named), new Set(refusalCodes))
})

test('every command that the README names is there', async () => {
  const written: string[] = []
  const output = { write: (text: string) => written.push(text) }
  await main(['help'], { stdout: output, stderr: output, env: {}, cwd: root }, commands)
  const named = new Set([...readme.matchAll(/`onbehalf ([a-z][a-z-]*)/g)].map((match) => match[1] as string))
  assert.notEqual(named.size, 0)
  for (const command of named) assert.match(written.join(''), new RegExp(`^  ${command} `, 'm'))
})

test('the two commands at the top are targets of the Makefile', async () => {
  const makefile = await readFile(join(root, 'Makefile'), 'utf8')
  for (const target of ['demo', 'test']) assert.match(makefile, new RegExp(`^${target}:`, 'm'))
})

test('every refusal code that is served is provoked by a test that goes through a socket', async () => {
  const folder = join(root, 'test/mesh')
  const names = (await readdir(folder)).filter((name) => name.endsWith('.test.ts'))
  const text = (await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))).join('\n')
  const missing = refusalCodes.filter((code) => !new RegExp(`\\b${code}\\b`).test(text))
  assert.deepEqual(missing, [])
})

const testsIn = (text: string) => [...text.matchAll(/`(test\/[^`]+)`/g)].map((match) => match[1] as string)

test('each test that SECURITY.md names is there, and each line of its table names one', async () => {
  const security = await readFile(join(root, 'SECURITY.md'), 'utf8')
  for (const file of testsIn(security)) await access(join(root, file))
  const [, parties = ''] = security.split('## What each party can do')
  const [table = ''] = parties.split('\n## ')
  const rows = table.split('\n').filter((line) => /^\| (?!who|---)/.test(line))
  assert.ok(rows.length > 10)
  for (const row of rows) assert.notEqual(testsIn(row).length, 0, row)
})
