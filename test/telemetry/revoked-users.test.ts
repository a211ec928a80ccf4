// Who is revoked stands in the log as users do everywhere in it, and of sessions and tokens nothing does.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { send } from '../support/client.ts'
import { startMesh, type MeshOptions } from '../support/mesh.ts'

const revoke = async (t: Parameters<typeof startMesh>[0], options: MeshOptions, asked: readonly object[]) => {
  const { App } = (await startMesh(t, { run: ['App'], ...options })).sidecars
  const token = (await readFile(App.sidecar.adminToken.file, 'utf8')).trim()
  for (const body of asked) {
    const { status } = await send({
      port: App.admin,
      host: 'localhost',
      method: 'POST',
      target: '/revoke',
      headers: ['Authorization', `Bearer ${token}`],
      body: JSON.stringify(body),
    })
    assert.equal(status, 202)
  }
  const lines = App.logs.map((line) => JSON.parse(line) as Record<string, unknown>)
  return lines.filter(({ message }) => message === 'revoked').map(({ value }) => value)
}

const alice = { kind: 'subject', issuer: 'pomerium', value: 'alice-id' }

test('a user stands there by a pseudonym, an account and a key by their names, a session and a token not at all', async (t) => {
  const [user, ...others] = await revoke(t, {}, [
    alice,
    { kind: 'subject', issuer: 'mesh', value: 'api-access' },
    { kind: 'kid', value: 'key-1' },
    { kind: 'session', issuer: 'pomerium', value: 'a-session' },
    { kind: 'jti', issuer: 'pomerium', value: 'a-token' },
  ])
  assert.match(String(user), /^[\w-]{22}$/)
  assert.deepEqual(others, ['api-access', 'key-1', undefined, undefined])
})

test('where users stand in the log by their names, so does who is revoked', async (t) => {
  assert.deepEqual(await revoke(t, { settings: { telemetry: { users: 'plain' } } }, [alice]), ['alice-id'])
})
