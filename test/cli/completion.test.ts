// What bash and zsh complete, asked of the real shells.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

const bundle = join(import.meta.dirname, '../../dist/onbehalf.cjs')
const hasZsh = spawnSync('zsh', ['--version']).status === 0
const meshFile = `
issuers: [{name: p, issuer: [hostOnly], jwks: jwks.json, single_use: true}]
routes:
  - {name: App, from: https://app.example.com, to: http://127.0.0.1:1, policy: [{allow: {or: [{accept: true}]}}]}
  - {name: API, from: https://api.example.com, to: http://127.0.0.1:2, policy: [{allow: {or: [{accept: true}]}}]}
`

/** What bash would offer behind these words; the last one is being typed. */
function complete(t: TestContext, ...words: readonly string[]): Promise<string[]> {
  return completeIn(t, meshFile, ...words)
}

async function completeIn(t: TestContext, meshText: string, ...words: readonly string[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-completion-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'onbehalf.yaml'), meshText)
  await symlink(bundle, join(folder, 'onbehalf'))
  const script = `
source <(onbehalf completion bash)
COMP_WORDS=(${['onbehalf', ...words].map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length}
_onbehalf
printf '%s\\n' "\${COMPREPLY[@]}"`
  const path = `${folder}:${join(import.meta.dirname, '../../node_modules/.bin')}:${process.env['PATH']}`
  const output = execFileSync('bash', ['-c', script], { cwd: folder, env: { ...process.env, PATH: path } })
  return String(output).trimEnd().split('\n').toSorted()
}

for (const [words, expected] of [
  [['ch'], ['check']],
  [['ex'], ['explain']],
  [
    ['token', ''],
    ['--help', 'inspect', 'mint', 'verify'],
  ],
  [
    ['token', 'verify', '--o'],
    ['--offline', '--output'],
  ],
  [['run', '--listen-a'], ['--listen-admin']],
  [
    ['check', '--service', ''],
    ['API', 'App'],
  ],
  [['check', '--config', 'onbehalf.yaml', '--service', 'AP'], ['API']],
  [
    ['check', '--config', 'onb'],
    ['onbehalf', 'onbehalf.yaml'],
  ],
  [
    ['run', '--mode', ''],
    ['enforce', 'report'],
  ],
  [['keys', '-o', ''], ['json']],
  [
    ['inject', '-f', 'onb'],
    ['onbehalf', 'onbehalf.yaml'],
  ],
  [['install', '--redirect'], ['--redirect-image']],
] as const) {
  test(`onbehalf ${words.join(' ')}‸`, async (t) => {
    assert.deepEqual(await complete(t, ...words), [...expected])
  })
}

test('what stands in the name of a service is neither run nor left for Enter to run', async (t) => {
  const hostile = meshFile.replace('name: API', "name: '$(echo run)`echo run`'")
  assert.deepEqual(await completeIn(t, hostile, 'run', '--service', '$'), [
    String.raw`\$\(echo\ run\)\`echo\ run\``,
  ])
})

test('zsh takes its script', { skip: hasZsh ? false : 'zsh is not installed' }, () => {
  const script = execFileSync(process.execPath, [bundle, 'completion', 'zsh'])
  execFileSync('zsh', ['-n'], { input: script })
})
