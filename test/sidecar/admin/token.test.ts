// The admin token lies where only this user can read it.
import assert from 'node:assert/strict'
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createAdminToken, defaultAdminTokenFile } from '../../../sidecar/admin/token.ts'

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-token-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}
const modeOf = async (file: string) => (await stat(file)).mode & 0o777

test('what the file holds is what is asked for', async (t) => {
  const token = await createAdminToken(join(await folderFor(t), 'token'))
  const text = (await readFile(token.file, 'utf8')).trimEnd()
  assert.match(text, /^[A-Za-z0-9_-]{43}$/)
  assert.ok(token.matches(text))
  for (const wrong of ['', text.slice(1), `${text}A`, text.toLowerCase(), `${text}\n`, 'é'.repeat(43)])
    assert.ok(!token.matches(wrong))
})

test('each start makes a token of its own', async (t) => {
  const file = join(await folderFor(t), 'token')
  const first = await createAdminToken(file)
  const text = (await readFile(file, 'utf8')).trimEnd()
  const second = await createAdminToken(file)
  assert.ok(first.matches(text) && !second.matches(text))
})

test('only this user can read the file, though another was there that all could read', async (t) => {
  const file = join(await folderFor(t), 'token')
  await writeFile(file, 'old', { mode: 0o666 })
  await chmod(file, 0o666)
  await createAdminToken(file)
  assert.equal(await modeOf(file), 0o600)
})

test('a link that lies in its place is replaced, and what it points to stays as it is', async (t) => {
  const folder = await folderFor(t)
  const [file, victim] = [join(folder, 'token'), join(folder, 'victim')]
  await writeFile(victim, 'precious')
  await symlink(victim, file)
  await createAdminToken(file)
  assert.equal(await readFile(victim, 'utf8'), 'precious')
  assert.ok((await lstat(file)).isFile())
})

test('a folder that is made is this user’s alone', async (t) => {
  const folder = join(await folderFor(t), 'run')
  await createAdminToken(join(folder, 'token'))
  assert.equal(await modeOf(folder), 0o700)
})

test('a folder that is a link is not taken', async (t) => {
  const folder = await folderFor(t)
  await mkdir(join(folder, 'real'))
  await symlink('real', join(folder, 'link'))
  await assert.rejects(createAdminToken(join(folder, 'link', 'token')), /admin_token_file/)
})

test('the file is never there without its token, so that who is killed leaves no half of one', async (t) => {
  const folder = await folderFor(t)
  const file = join(folder, 'token')
  const seen = new Set<string>()
  const look = async () => {
    const text = await readFile(file, 'utf8').catch(() => undefined)
    if (text !== undefined) seen.add(text)
  }
  for (let i = 0; i < 300; i++) {
    const state = { isMade: false }
    const made = createAdminToken(file).then(() => (state.isMade = true))
    while (!state.isMade) await look()
    await made
    await look()
    await rm(file)
  }
  assert.ok(seen.size > 0)
  for (const text of seen) assert.match(text, /^[A-Za-z0-9_-]{43}\n$/)
  assert.deepEqual(await readdir(folder), [])
})

test('at the end the file is removed, and may be gone already', async (t) => {
  const token = await createAdminToken(join(await folderFor(t), 'token'))
  token.remove()
  await assert.rejects(stat(token.file), { code: 'ENOENT' })
  token.remove()
})

test('it lies in the run directory of the user, where there is one', () => {
  assert.equal(
    defaultAdminTokenFile('API', { XDG_RUNTIME_DIR: '/run/user/1' }),
    '/run/user/1/onbehalf/API.admin-token',
  )
  assert.equal(
    defaultAdminTokenFile('API', {}),
    join(tmpdir(), `onbehalf-${userInfo().uid}`, 'API.admin-token'),
  )
})

test('an empty run directory is none', () => {
  assert.equal(defaultAdminTokenFile('API', { XDG_RUNTIME_DIR: '' }), defaultAdminTokenFile('API', {}))
})

test('two services never share a file', () => {
  const files = ['a/b', 'a b', 'a-b', 'a_b', 'a%20b'].map((service) => defaultAdminTokenFile(service, {}))
  assert.equal(new Set(files).size, files.length)
})

test('the name of a service leads to no other folder', () => {
  assert.equal(
    defaultAdminTokenFile('../a/b c', { XDG_RUNTIME_DIR: '/run' }),
    '/run/onbehalf/..%2Fa%2Fb%20c.admin-token',
  )
})
