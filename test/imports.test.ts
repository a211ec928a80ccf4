// Who may import whom, and what the pure part may not touch: read from the sources.
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { join, posix } from 'node:path'
import { test } from 'node:test'

/** Texts by path from the top of the repository. */
type Sources = ReadonlyMap<string, string>

interface Import {
  readonly from: string
  /** A path from the top for a file of ours, else the name as written. */
  readonly to: string
  /** What is between `import` and `from`. */
  readonly clause: string
  /** Erased when it runs. */
  readonly isType: boolean
}

const root = join(import.meta.dirname, '..')
const layers = ['shared', 'sidecar', 'deploy'] as const

async function readSources(): Promise<Sources> {
  const names = await Promise.all(
    layers.map(async (layer) =>
      (await readdir(join(root, layer), { recursive: true })).map((name) => posix.join(layer, name)),
    ),
  )
  const files = names.flat().filter((name) => /\.[cm]?[jt]s$/.test(name) && !name.includes('node_modules'))
  return new Map(
    await Promise.all(files.map(async (file) => [file, await readFile(join(root, file), 'utf8')] as const)),
  )
}

const statement = /^[ \t]*(?:import|export)\s+([\w\s{},*$]+?)\s+from\s*['"]([^'"]+)['"]/gm
const bare = /^[ \t]*import\s*['"]([^'"]+)['"]/gm
const dynamic = /\b(?:import|require)\s*\(\s*['"]([^'"]+)['"]/g

function importsOf(file: string, text: string): Import[] {
  const make = (name: string, clause: string): Import => ({
    from: file,
    to: name.startsWith('.') ? posix.join(posix.dirname(file), name) : name,
    clause,
    isType: /^type\b/.test(clause),
  })
  return [
    ...[...text.matchAll(statement)].map(([, clause = '', name = '']) => make(name, clause)),
    ...[...text.matchAll(bare)].map(([, name = '']) => make(name, '')),
    ...[...text.matchAll(dynamic)].map(([, name = '']) => make(name, '*')),
  ]
}

const layerOf = (path: string) => path.split('/')[0] as string
const isOurs = (path: string) => (layers as readonly string[]).includes(layerOf(path))
const isNode = (name: string) => name.startsWith('node:') || builtinModules.includes(name)

/** The package of a name: `@a/b` of `@a/b/c`. */
const packageOf = (name: string) => name.split('/', name.startsWith('@') ? 2 : 1).join('/')

const sharedMayImport: ReadonlySet<string> = new Set([
  'yaml',
  'jose',
  'valibot',
  'node:crypto',
  'node:net',
  'node:buffer',
  'node:path',
])
/** Of these modules only what computes: no socket, no randomness. */
const sharedMayTake: Readonly<Record<string, RegExp>> = {
  'node:net': /^isIP(?:v[46])?$/,
  'node:crypto': /^(?!random|generate|getRandom|webcrypto|default|\*)/,
}

function importFaults(each: Import): string[] {
  const { from, to, clause } = each
  const [mine, theirs] = [layerOf(from), layerOf(to)]
  if (isOurs(to)) {
    const isUphill = layers.indexOf(theirs as never) > layers.indexOf(mine as never)
    return isUphill ? [`${from} imports ${to}: imports run deploy → sidecar → shared`] : []
  }
  if (to.includes('/test/') || to.startsWith('test/') || to.startsWith('..'))
    return [`${from} imports ${to}, which is no part of it`]
  if (mine !== 'shared') return []
  if (!sharedMayImport.has(to)) return [`${from} imports ${to}: shared/ is pure`]
  const allowed = sharedMayTake[to]
  if (allowed === undefined) return []
  const names = clause
    .replace(/^type\s/, '')
    .replaceAll(/[{}]/g, ' ')
    .split(',')
    .map(
      (name) =>
        name
          .trim()
          .replace(/^type\s+/, '')
          .split(/\s+as\s+/)[0] as string,
    )
  return names
    .filter((name) => name !== '' && !allowed.test(name))
    .map((name) => `${from} takes ${name} of ${to}: shared/ is pure`)
}

/** Comments, strings and regular expressions, so that only code is left; what a template evaluates stays. */
const lexeme =
  /\/\/.*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|(?<=(?:^|[(,=:[!&|?{};>]|\breturn)\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/gm

function codeOf(text: string): string {
  return text.replaceAll(lexeme, (part) =>
    part.startsWith('`') ? [...part.matchAll(/\$\{([^}]*)\}/g)].map(([, code]) => code).join(' ') : ' ',
  )
}

const impure: Readonly<Record<string, RegExp>> = {
  process: /(?<![.\w])process\b(?!\s*:)/,
  console: /(?<![.\w])console\b(?!\s*:)/,
  'Date.now': /\bDate\s*\.\s*now\b/,
  'new Date() without argument': /\bnew\s+Date\s*(?:\(\s*\)|(?!\s*\())/,
  'Date()': /(?<!new\s+)(?<![.\w])Date\s*\(/,
  'Math.random': /\bMath\s*\.\s*random\b/,
  fetch: /(?<![.\w])fetch\b\s*\(/,
  timers: /(?<![.\w])(?:set|clear)(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/,
  performance: /(?<![.\w])performance\b(?!\s*:)/,
  globalThis: /\bglobalThis\b/,
  'the global crypto': /(?<![.\w])crypto\s*\./,
  WebSocket: /\bWebSocket\b/,
}

function purityFaults(file: string, text: string): string[] {
  const code = codeOf(text)
  return Object.entries(impure).flatMap(([what, pattern]) =>
    pattern.test(code) ? [`${file} touches ${what}: shared/ is pure`] : [],
  )
}

const strangers = [
  ['sidecar/inbound.ts', 'sidecar/outbound.ts'],
  ['shared/inbound.ts', 'shared/outbound.ts'],
] as const

/** By way of other files too. */
function strangerFaults(imports: readonly Import[]): string[] {
  return strangers.flatMap(([a, b]) =>
    [[a, b] as const, [b, a] as const].flatMap(([from, to]) =>
      reachable(from, imports).has(to)
        ? [`${from} imports ${to}: inbound and outbound do not know each other`]
        : [],
    ),
  )
}

function reachable(from: string, imports: readonly Import[]): Set<string> {
  const seen = new Set<string>()
  const open = [from]
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    for (const each of imports) {
      if (each.from !== file || seen.has(each.to)) continue
      seen.add(each.to)
      open.push(each.to)
    }
  }
  return seen
}

/** In sidecar/ one file owns each package, in shared/ one folder. */
function ownerFaults(imports: readonly Import[]): string[] {
  const owners = new Map<string, Set<string>>()
  for (const { from, to } of imports) {
    const layer = layerOf(from)
    if (isOurs(to) || isNode(to) || to.startsWith('.') || layer === 'deploy') continue
    const key = `${layer}/ ${packageOf(to)}`
    const owner = layer === 'sidecar' ? from : posix.dirname(from)
    owners.set(key, (owners.get(key) ?? new Set()).add(owner))
  }
  return [...owners].flatMap(([key, files]) =>
    files.size > 1
      ? [`${key} is imported by ${[...files].sort().join(' and ')}: one module owns each package`]
      : [],
  )
}

/** Each cycle once, by the file of it that comes first. */
function cycleFaults(imports: readonly Import[]): string[] {
  const kept = imports.filter(({ to }) => isOurs(to))
  const files = [...new Set(kept.map(({ from }) => from))].sort()
  return files.flatMap((file) => {
    const ring = [...reachable(file, kept)].filter((other) => reachable(other, kept).has(file)).sort()
    return ring[0] === file ? [`${ring.join(', ')} import each other in a ring`] : []
  })
}

function faultsOf(sources: Sources): string[] {
  const imports = [...sources].flatMap(([file, text]) => importsOf(file, text))
  const missing = imports
    .filter(({ to }) => isOurs(to) && !sources.has(to))
    .map(({ from, to }) => `${from} imports ${to}, which is not there`)
  return [
    ...missing,
    ...imports.flatMap((each) => importFaults(each)),
    ...[...sources].flatMap(([file, text]) => (layerOf(file) === 'shared' ? purityFaults(file, text) : [])),
    ...strangerFaults(imports),
    ...ownerFaults(imports),
    // Types are erased, but two files that cannot be understood without each other are one.
    ...cycleFaults(imports),
  ]
}

test('the sources follow the rules', async () => {
  const sources = await readSources()
  assert.ok(sources.size > 80, `${sources.size} files were read`)
  assert.deepEqual(faultsOf(sources), [])
})

test('the imports of the sources are found', async () => {
  const sources = await readSources()
  const imports = [...sources].flatMap(([file, text]) => importsOf(file, text))
  const found = (from: string) => imports.filter((each) => each.from === from).map(({ to }) => to)
  assert.ok(found('sidecar/keys/undici.ts').includes('undici'))
  assert.ok(found('sidecar/ca.ts').includes('@peculiar/x509'))
  assert.ok(found('sidecar/sidecar.ts').includes('sidecar/inbound.ts'))
  // No file but one that imports nothing is without: a form that is not recognised would show here.
  const without = [...sources]
    .filter(([file, text]) => found(file).length === 0 && /^\s*import\b/m.test(text))
    .map(([file]) => file)
  assert.deepEqual(without, [])
})

// The test of the test: each rule, broken on made-up sources.

const made = (files: Readonly<Record<string, string>>): string[] => faultsOf(new Map(Object.entries(files)))

test('sources that follow the rules have no faults', () => {
  const files = {
    'shared/a.ts': `// process.env, Date.now() and console.log are spoken of\nimport { isIP, isIPv6 } from 'node:net'\nimport {\n  createHash,\n  type KeyObject,\n} from 'node:crypto'\nimport type { B } from './b.ts'\nconst text = 'process.env' + \`console \${isIP('x')}\`; const re = /["'\`]process/; new Date(0); x.process; ({ process: 1 })`,
    'shared/b.ts': "import * as v from 'valibot'\nexport const b = 1",
    'sidecar/c.ts':
      "import { b } from '../shared/b.ts'\nimport { Agent } from 'undici'\nimport './d.ts'\nconsole.log(process.env, Date.now(), fetch('x'))",
    'sidecar/d.ts': "export { b } from '../shared/b.ts'",
    'deploy/e.ts': "import { c } from '../sidecar/c.ts'\nimport { Agent } from 'undici'",
  }
  assert.deepEqual(made(files), [])
})

const broken: readonly (readonly [rule: string, files: Readonly<Record<string, string>>, fault: RegExp])[] = [
  [
    'shared/ imports sidecar/',
    { 'shared/a.ts': "import { c } from '../sidecar/c.ts'", 'sidecar/c.ts': '' },
    /shared\/a\.ts imports sidecar\/c\.ts: imports run/,
  ],
  [
    'shared/ imports a type of sidecar/',
    { 'shared/a.ts': "import type { C } from '../sidecar/c.ts'", 'sidecar/c.ts': '' },
    /imports run/,
  ],
  [
    'shared/ re-exports sidecar/',
    { 'shared/a.ts': "export { c } from '../sidecar/c.ts'", 'sidecar/c.ts': '' },
    /imports run/,
  ],
  [
    'sidecar/ imports deploy/',
    { 'sidecar/c.ts': "import { e } from '../deploy/e.ts'", 'deploy/e.ts': '' },
    /imports run/,
  ],
  [
    'sidecar/ imports deploy/ when it runs',
    { 'sidecar/c.ts': "const e = await import('../deploy/e.ts')", 'deploy/e.ts': '' },
    /imports run/,
  ],
  ['sidecar/ imports test/', { 'sidecar/c.ts': "import { x } from '../test/x.ts'" }, /no part of it/],
  ['an import of what is not there', { 'shared/a.ts': "import { b } from './b.ts'" }, /not there/],
  [
    'shared/ reads files',
    { 'shared/a.ts': "import { readFile } from 'node:fs/promises'" },
    /node:fs\/promises: shared\/ is pure/,
  ],
  [
    'shared/ reads files under the old name',
    { 'shared/a.ts': "import { readFile } from 'fs'" },
    /fs: shared\/ is pure/,
  ],
  ['shared/ imports for effect', { 'shared/a.ts': "import 'node:http'" }, /node:http: shared\/ is pure/],
  ['shared/ requires', { 'shared/a.ts': "const fs = require('node:fs')" }, /node:fs: shared\/ is pure/],
  [
    'shared/ has a package of its own',
    { 'shared/a.ts': "import { Agent } from 'undici'" },
    /undici: shared\/ is pure/,
  ],
  [
    'shared/ opens a socket',
    { 'shared/a.ts': "import { connect, isIP } from 'node:net'" },
    /takes connect of node:net/,
  ],
  [
    'shared/ takes all of node:net',
    { 'shared/a.ts': "import * as net from 'node:net'" },
    /node:net: shared\/ is pure/,
  ],
  [
    'shared/ draws random bytes',
    { 'shared/a.ts': "import { createHash, randomBytes as r } from 'node:crypto'" },
    /takes randomBytes of node:crypto/,
  ],
  [
    'shared/ takes all of node:crypto',
    { 'shared/a.ts': "import * as crypto from 'node:crypto'" },
    /node:crypto: shared\/ is pure/,
  ],
  ['shared/ reads the environment', { 'shared/a.ts': 'const x = process.env' }, /touches process/],
  ['shared/ takes process apart', { 'shared/a.ts': 'const { env } = process' }, /touches process/],
  [
    'shared/ reads the environment in a template',
    { 'shared/a.ts': 'const x = `${process.env.HOME}`' },
    /touches process/,
  ],
  ['shared/ reads the clock', { 'shared/a.ts': 'const x = Date.now()' }, /touches Date\.now/],
  ['shared/ hands the clock on', { 'shared/a.ts': 'const x = { now: Date.now }' }, /touches Date\.now/],
  ['shared/ makes a date of now', { 'shared/a.ts': 'const x = new Date()' }, /touches new Date\(\)/],
  [
    'shared/ makes a date of now without brackets',
    { 'shared/a.ts': 'const x = new Date\n' },
    /touches new Date\(\)/,
  ],
  ['shared/ writes the date of now', { 'shared/a.ts': 'const x = Date()' }, /touches Date\(\)/],
  ['shared/ rolls dice', { 'shared/a.ts': 'const x = Math.random()' }, /touches Math\.random/],
  ['shared/ prints', { 'shared/a.ts': 'console.log(1)' }, /touches console/],
  ['shared/ fetches', { 'shared/a.ts': "await fetch('https://x')" }, /touches fetch/],
  ['shared/ waits', { 'shared/a.ts': 'setTimeout(f, 1)' }, /touches timers/],
  ['shared/ measures', { 'shared/a.ts': 'performance.now()' }, /touches performance/],
  ['shared/ goes by globalThis', { 'shared/a.ts': "globalThis['process']" }, /touches globalThis/],
  ['shared/ uses the global crypto', { 'shared/a.ts': 'crypto.randomUUID()' }, /touches the global crypto/],
  [
    'shared/ prints behind a string with a quote in it',
    { 'shared/a.ts': 'const a = "it\'s"; console.log(a) // it\'s' },
    /touches console/,
  ],
  [
    'shared/ prints behind a pattern with a quote in it',
    { 'shared/a.ts': "const a = /['\"]/; console.log(a) // '" },
    /touches console/,
  ],
  [
    'inbound imports outbound',
    { 'sidecar/inbound.ts': "import { x } from './outbound.ts'", 'sidecar/outbound.ts': '' },
    /sidecar\/inbound\.ts imports sidecar\/outbound\.ts/,
  ],
  [
    'outbound imports a type of inbound',
    { 'shared/outbound.ts': "import type { X } from './inbound.ts'", 'shared/inbound.ts': '' },
    /shared\/outbound\.ts imports shared\/inbound\.ts/,
  ],
  [
    'inbound imports outbound by way of another',
    {
      'sidecar/inbound.ts': "import './x.ts'",
      'sidecar/x.ts': "import './outbound.ts'",
      'sidecar/outbound.ts': '',
    },
    /do not know each other/,
  ],
  [
    'a package has two owners in sidecar/',
    {
      'sidecar/a.ts': "import { Agent } from 'undici'",
      'sidecar/b.ts': "import type { Pool } from 'undici/types'",
    },
    /undici is imported by sidecar\/a\.ts and sidecar\/b\.ts/,
  ],
  [
    'a scoped package has two owners',
    { 'sidecar/a.ts': "import x from '@a/b'", 'sidecar/b.ts': "await import('@a/b/c')" },
    /@a\/b is imported by/,
  ],
  [
    'a package has two owners in shared/',
    { 'shared/a/a.ts': "import { x } from 'valibot'", 'shared/b/b.ts': "import { x } from 'valibot'" },
    /valibot is imported by shared\/a and shared\/b/,
  ],
  [
    'two files import each other',
    { 'shared/a.ts': "import { b } from './b.ts'", 'shared/b.ts': "import { a } from './a.ts'" },
    /^shared\/a\.ts, shared\/b\.ts import each other/,
  ],
  [
    'two files import each other’s types',
    { 'shared/a.ts': "import type { B } from './b.ts'", 'shared/b.ts': "import type { A } from './a.ts'" },
    /import each other/,
  ],
  [
    'three files import each other',
    { 'shared/a.ts': "import './b.ts'", 'shared/b.ts': "import './c.ts'", 'shared/c.ts': "import './a.ts'" },
    /^shared\/a\.ts, shared\/b\.ts, shared\/c\.ts import each other/,
  ],
]
for (const [rule, files, fault] of broken) {
  test(`it is found where ${rule}`, () => {
    const faults = made(files)
    assert.ok(
      faults.some((each) => fault.test(each)),
      `found only: ${faults.join('; ')}`,
    )
  })
}
