// What stands in the file that every sidecar loads: nothing that `run` does not need.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const dist = join(import.meta.dirname, '../../dist')

/** The packages and the commands in a bundle, by the names under which esbuild carries their modules. */
async function partsOf(file: string): Promise<readonly string[]> {
  const text = await readFile(join(dist, file), 'utf8')
  const names = [...text.matchAll(/"((?:node_modules|sidecar|deploy)\/[^"\n]+?\.[cm]?[jt]s)"\(/g)]
  const parts = names.map(
    ([, name = '']) =>
      /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(name)?.[1] ?? /^(?:sidecar\/cli|deploy)\/.+/.exec(name)?.[0],
  )
  return [...new Set(parts.filter((part) => part !== undefined))].toSorted()
}

/** ioredis comes with packages of its own, and is carried out only with `store: redis`. */
const ofRedis = [
  '@ioredis/commands',
  'cluster-key-slot',
  'debug',
  'denque',
  'ioredis',
  'ms',
  'redis-errors',
  'standard-as-callback',
]

test('a sidecar loads its own command, and the packages that it needs', async () => {
  const own = ['sidecar/cli/io.ts', 'sidecar/cli/options.ts', 'sidecar/cli/run.ts', 'undici', 'yaml']
  assert.deepEqual(await partsOf('onbehalf.cjs'), [...own, ...ofRedis].toSorted())
})

test('the others load from their own file', async () => {
  const run = promisify(execFile)
  const { stdout } = await run(process.execPath, [join(dist, 'onbehalf.cjs'), 'schema'])
  assert.equal(typeof JSON.parse(stdout), 'object')
  const parts = await partsOf('commands.cjs')
  for (const part of ['@peculiar/x509', 'sidecar/cli/schema.ts', 'deploy/cli/install.ts'])
    assert.ok(parts.includes(part), part)
})

test('what gRPC needs is carried out where it is exported by gRPC, and not before', async () => {
  const program = `
    const asked = []
    process.env = new Proxy({ ...process.env }, { get: (env, name) => (asked.push(name), env[name]) })
    require(${JSON.stringify(join(dist, 'opentelemetry.cjs'))})
    console.log(JSON.stringify(asked.filter((name) => /^GRPC_/.test(String(name)))))`
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', program])
  assert.deepEqual(JSON.parse(stdout), [])
})

for (const file of ['onbehalf.cjs', 'commands.cjs', 'opentelemetry.cjs']) {
  test(`${file} loads no module of Node by import(), which carries out all that it exports`, async () => {
    assert.doesNotMatch(await readFile(join(dist, file), 'utf8'), /\bimport\(["']/)
  })
}
