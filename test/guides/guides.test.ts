// Every example and every command of the guides is carried out, in the order in which a reader would do it.
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { referencePage } from '../../deploy/guides/reference.ts'
import { blocksOf, fileNameOf, play, skip } from './ground.ts'

const root = join(import.meta.dirname, '../..')
const folder = join(root, 'deploy/guides')
const made = new Set(['refusals.md', 'reference.md'])
const guides = (await readdir(folder)).filter((name) => name.endsWith('.md') && !made.has(name))
/** No network here: the keys that Pomerium publishes lie beside the mesh file. */
const publishedKeys = /https:\/\/authenticate\.localhost\.pomerium\.io\S*jwks\.json/g

test('there is a guide for each task that the README names', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const named = [...readme.matchAll(/\(deploy\/guides\/([\w-]+\.md)\)/g)].map((match) => match[1] as string)
  assert.deepEqual(new Set(named), new Set([...guides, ...made]))
})

/** Files of the project that a reader is to install, under the names by which the commands call them. */
async function linkedFiles(document: string): Promise<Record<string, string>> {
  const links = [...document.matchAll(/\]\(\.\.\/((?:systemd|compose)\/([\w@./-]+))\)/g)]
  const script = document.includes('redirect.sh') ? [['', 'interception/redirect.sh', 'redirect.sh']] : []
  const program = ['onbehalf.cjs', 'commands.cjs', 'opentelemetry.cjs', 'preload.cjs']
    .filter((name) => document.includes(name))
    .map((name) => ['', `../dist/${name}`, name])
  return Object.fromEntries(
    await Promise.all(
      [...links, ...script, ...program].map(async ([, file = '', name = '']) => [
        name,
        await readFile(join(root, 'deploy', file), 'utf8'),
      ]),
    ),
  ) as Record<string, string>
}

for (const name of guides) {
  test(`${name}: its files and commands`, { skip }, async (t) => {
    const document = (await readFile(join(folder, name), 'utf8')).replaceAll(publishedKeys, 'jwks.json')
    const blocks = blocksOf(document)
    const commands = blocks.filter(({ language }) => language === 'sh').map(({ text }) => text)
    const files: Record<string, string> = await linkedFiles(document)
    for (const block of blocks.filter(({ language }) => language !== 'sh')) {
      const file = fileNameOf(block)
      // What is neither a file nor a command would be run by nobody.
      assert.ok(file !== undefined, block.text)
      if (file.endsWith('.yaml')) parse(block.text)
      files[file] = block.text
    }
    assert.ok(commands.length > 0)
    const { status, output } = await play(t, { files, commands, hasApps: files['app.mjs'] === undefined })
    assert.equal(status, 0, output)
    for (const secret of ['BEGIN PRIVATE', 'eyJ']) assert.ok(!output.includes(secret), output)
  })
}

const isRun = (line: string) => line.includes('-- run ')

test('the README: beside your own services', { skip }, async (t) => {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const section = readme.slice(
    readme.indexOf('## Beside your own services'),
    readme.indexOf('## What happens to a request'),
  )
  const blocks = blocksOf(section.replaceAll(publishedKeys, 'jwks.json'))
  const mesh = blocks.find(({ language }) => language === 'yaml')
  const [first = '', ...rest] = blocks.filter(({ language }) => language === 'sh').map(({ text }) => text)
  // The sidecars of both services, not in the foreground, and before anything is asked of them.
  const lines = first.split('\n')
  const runs = lines.filter(isRun).flatMap((line) => {
    const command = line.replace(/ *#.*/, '')
    return [`${command} &`, `${command.replace('App', 'API')} &`]
  })
  const ready = [15021, 15121].map(
    (port) => `curl -s --retry 30 --retry-delay 1 --retry-all-errors -f http://127.0.0.1:${port}/ready`,
  )
  const commands = [...lines.filter((line) => !isRun(line)), ...runs, ...ready, ...rest]
  assert.equal(runs.length, 2)
  const { status, output } = await play(t, {
    files: { 'mesh.yaml': mesh?.text ?? '' },
    commands,
    hasApps: true,
  })
  assert.equal(status, 0, output)
  assert.match(output, /evidence_missing/)
})

test('the reference is that of the schema', async () => {
  const reference = await readFile(join(folder, 'reference.md'), 'utf8')
  assert.equal(reference, await referencePage(), 'run: node deploy/guides/reference.ts')
})
