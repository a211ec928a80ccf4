// The preload in the folder that the app's containers mount: whole, readable by all, or a clear word why not.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { copyPreload } from '../../sidecar/cli/preload-copy.ts'
import { main } from '../../sidecar/cli/main.ts'

async function places(t: TestContext) {
  const cwd = await mkdtemp(join(tmpdir(), 'onbehalf-preload-'))
  t.after(() => rm(cwd, { recursive: true, force: true }))
  await mkdir(join(cwd, 'shared'))
  const from = join(cwd, 'source.cjs')
  await writeFile(from, 'new', { mode: 0o600 })
  return { cwd, from, folder: join(cwd, 'shared') }
}

test('it replaces what a start before left, and all may read it', async (t) => {
  const { cwd, from, folder } = await places(t)
  const file = join(folder, 'preload.cjs')
  await writeFile(file, 'old, and longer', { mode: 0o400 })
  const { ino } = await stat(file)
  await copyPreload({ env: { ONBEHALF_PRELOAD_DIR: 'shared' }, cwd }, from)
  assert.equal(await readFile(file, 'utf8'), 'new')
  const now = await stat(file)
  assert.deepEqual([now.mode & 0o777, now.ino === ino], [0o644, false])
  assert.deepEqual(await readdir(folder), ['preload.cjs'])
})

test('without the variable nothing is copied', async (t) => {
  const { cwd, from, folder } = await places(t)
  for (const env of [{}, { ONBEHALF_PRELOAD_DIR: '' }]) await copyPreload({ env, cwd }, from)
  assert.deepEqual(await readdir(folder), [])
})

test('a folder that is not there, and a preload that is not there, are said, and nothing is left', async (t) => {
  const { cwd, from, folder } = await places(t)
  const env = { ONBEHALF_PRELOAD_DIR: folder }
  const missing = join(cwd, 'missing.cjs')
  await assert.rejects(copyPreload({ env, cwd }, missing), {
    name: 'ConfigurationFault',
    message: `ONBEHALF_PRELOAD_DIR: ${missing} cannot be copied to ${folder} (ENOENT)`,
  })
  await assert.rejects(copyPreload({ env: { ONBEHALF_PRELOAD_DIR: from }, cwd }, from), /\(ENOTDIR\)$/)
  await mkdir(join(folder, 'preload.cjs'))
  await assert.rejects(copyPreload({ env, cwd }, from), /\((?:EISDIR|ENOTEMPTY)\)$/)
  assert.deepEqual(await readdir(folder), ['preload.cjs'])
})

test('a start that cannot copy it ends with status 2 before it listens', async (t) => {
  const { cwd } = await places(t)
  let said = ''
  const output = { write: (text: string) => void (said += text) }
  const io = { stdout: output, stderr: output, env: { ONBEHALF_PRELOAD_DIR: 'nowhere' }, cwd }
  assert.equal(await main(['run'], io), 2)
  assert.match(said, /^ONBEHALF_PRELOAD_DIR: .*preload\.cjs cannot be copied to .*nowhere \(ENOENT\)\n$/)
})
