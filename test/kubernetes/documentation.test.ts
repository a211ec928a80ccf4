// The pages about Kubernetes: every object in them is one that a cluster takes, every command and annotation one that there is.
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { commands } from '../../deploy/cli/commands.ts'
import { annotationsPage } from '../../deploy/kubernetes/annotations.ts'
import { annotations } from '../../deploy/kubernetes/injection/annotations.ts'
import { injectManifest } from '../../deploy/kubernetes/manifest/manifest.ts'
import { defaultSettings } from '../../deploy/kubernetes/injection/settings.ts'
import { loadMesh } from '../../shared/config/load.ts'
import { describeCommands, main } from '../../sidecar/cli/main.ts'
import { validateObject } from './schemas.ts'

const deploy = join(import.meta.dirname, '../../deploy')
const pages = ['kubernetes/README.md', 'kubernetes/injector/README.md', 'image/README.md']

interface Block {
  readonly page: string
  readonly language: string
  readonly text: string
}

/** Fenced, in a list's item also indented. */
async function blocksOf(page: string): Promise<readonly Block[]> {
  const text = await readFile(join(deploy, page), 'utf8')
  return [...text.matchAll(/^( *)```(\w+)\n(.*?)^\1```/gms)].map(
    ([, indent = '', language = '', inner = '']) => ({
      page,
      language,
      text: inner.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }),
  )
}

const blocks = (await Promise.all(pages.map(blocksOf))).flat()
/** `ca init` before `ca`. */
const described = (await describeCommands(commands)).toSorted((a, b) => b.name.length - a.name.length)

const isObject = ({ text }: Block) => /^kind:/m.test(text)
const yaml = blocks.filter(({ language }) => language === 'yaml')

test('every object of a page is one that a cluster takes, as it is and injected', () => {
  const objects = yaml.filter(isObject)
  assert.ok(objects.length >= 3)
  for (const { page, text } of objects) {
    const { text: injected, problems } = injectManifest(text, defaultSettings('1.2.3'))
    assert.deepEqual(problems, [], page)
    for (const each of [text, injected])
      for (const document of parseAllDocuments(each))
        assert.deepEqual(validateObject(document.toJS()), [], page)
  }
})

test('every part of a mesh file is one that fits into that of the demo', async () => {
  const parts = yaml.filter((block) => !isObject(block))
  assert.ok(parts.length > 0)
  const demo = parse(await readFile(join(deploy, 'kubernetes/demo/mesh.yaml'), 'utf8')) as object
  for (const { page, text } of parts) {
    const whole = stringify({ ...demo, ...(parse(text) as object) })
    const { problems } = loadMesh({ file: page, text: whole, service: 'App' })
    assert.deepEqual(
      problems.filter(({ severity }) => severity === 'error'),
      [],
    )
  }
})

test('every command line of a block parses as a whole', async () => {
  const lines = blocks
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => [...text.matchAll(/^onbehalf (.*?)(?: \| .*)?$/gm)].map(([, line = '']) => line))
  assert.ok(lines.length >= 4)
  for (const line of lines) {
    const written: string[] = []
    const output = { write: (part: string) => void written.push(part) }
    const io = { stdout: output, stderr: output, env: {}, cwd: '/' }
    assert.equal(await main([...line.split(' '), '--help'], io, commands), 0, written.join(''))
  }
})

test('every onbehalf command of a page is one that there is, with its options', async () => {
  const texts = await Promise.all(pages.map((page) => readFile(join(deploy, page), 'utf8')))
  const lines = texts.flatMap((text) =>
    [...text.matchAll(/(?<![\w./-])onbehalf ([a-z][^`|\n]*)/g)].map(([, line = '']) => line),
  )
  const known = lines.filter((line) =>
    described.some(({ name }) => name !== '' && `${line} `.startsWith(`${name} `)),
  )
  assert.ok(known.length >= 8, lines.join('\n'))
  for (const line of known) {
    const command = described.find(({ name }) => name !== '' && `${line} `.startsWith(`${name} `))
    for (const [option] of line.matchAll(/(?<= )--[a-z][\w-]*/g))
      assert.ok(command?.options.includes(option), `${line}: ${option}`)
  }
})

test('every annotation and label of ours that is named anywhere is one that there is', async () => {
  const files = (await readdir(deploy, { recursive: true })).filter((file) => /\.(md|yaml)$/.test(file))
  const names = new Set(['injected', 'X', ...Object.keys(annotations)])
  for (const file of files) {
    const text = await readFile(join(deploy, file), 'utf8')
    for (const [, name = ''] of text.matchAll(/\bonbehalf\.dev(?:\/|~1)([a-zA-Z][\w-]*)/g))
      assert.ok(names.has(name), `${file}: onbehalf.dev/${name}`)
  }
})

test('the page of annotations is the table: else run node deploy/kubernetes/annotations.ts', async () => {
  assert.equal(await readFile(join(deploy, 'kubernetes/annotations.md'), 'utf8'), annotationsPage())
})

test('every file that a page links to is there', async () => {
  for (const page of pages) {
    const text = await readFile(join(deploy, page), 'utf8')
    for (const [, link = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      const at = join(deploy, page, '..', link)
      await assert.doesNotReject(
        readFile(at).catch(() => readdir(at)),
        `${page}: ${link}`,
      )
    }
  }
})
