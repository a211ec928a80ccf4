// Who is let in: users, passwords and certificates, and what is said where one is not.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { StoreUnavailable } from '../../../sidecar/store/store.ts'
import { redisMissing, standalone, startRedis, startSecureRedis, writeTls } from '../../support/redis.ts'
import { Heard, openObserved, whenDown, whenUp } from './ground.ts'

const unavailable = (error: unknown) => error instanceof StoreUnavailable
const acl = await readFile(join(import.meta.dirname, '../../../deploy/redis/users.acl'), 'utf8')

/** As the documentation has it. */
const documented = (t: TestContext) => startSecureRedis(t, acl)

suite('access to a Redis', { skip: redisMissing }, () => {
  test('with the documented ACL a sidecar does all that it needs, and cannot revoke', async (t) => {
    const { settings } = await documented(t)
    const { store } = await openObserved(t, settings)
    for (const key of ['certificate:kid', 'jwks:issuer', 'session:hash']) {
      await store.set(key, 'value', 60_000)
      assert.equal(await store.get(key), 'value')
    }
    assert.equal(await store.lease('lease:jwks', 'a', 60_000), true)
    await store.release('lease:jwks', 'a')
    for (const channel of ['certificates', 'jwks']) {
      const heard = new Heard(store, channel)
      await heard.gap(1)
      await store.publish(channel, 'message')
      assert.deepEqual(await heard.until(1), ['message'])
    }
    const revocations = new Heard(store, 'revocations')
    await revocations.gap(1)
    assert.deepEqual(await store.members('revocations', 0), [])
    await assert.rejects(store.merge('revocations', [['x', 1]], 0), /an ACL rule is missing/)
    await assert.rejects(store.set('revocations', 'x', 1), /an ACL rule is missing/)
    await assert.rejects(store.publish('revocations', 'x'), /an ACL rule is missing/)
    await assert.rejects(store.set('other', 'x', 1), /an ACL rule is missing/)
    await assert.rejects(store.lease('revocations', 'x', 1), unavailable)
    assert.equal(store.isUp, true)
  })

  test('with the documented ACL a revoker revokes, and does nothing else', async (t) => {
    const { settings, revoker } = await documented(t)
    const sidecar = await openObserved(t, settings)
    const heard = new Heard(sidecar.store, 'revocations')
    await heard.gap(1)
    const { store } = await openObserved(t, settings, revoker)
    await store.merge(
      'revocations',
      [
        ['x', 1],
        ['y', 9],
      ],
      5,
    )
    await store.publish('revocations', 'read them')
    assert.deepEqual(await sidecar.store.members('revocations', 0), [['y', 9]])
    assert.deepEqual(await heard.until(1), ['read them'])
    await assert.rejects(store.set('certificate:kid', 'x', 1), /an ACL rule is missing/)
    await assert.rejects(store.get('session:hash'), /an ACL rule is missing/)
    await assert.rejects(store.publish('certificates', 'x'), /an ACL rule is missing/)
  })

  test('with a wrong password there is none, and it is said why, without the password', async (t) => {
    const { settings, passwordFile } = await documented(t)
    await writeFile(passwordFile, 'wrong-secret')
    const { store, lines, line } = await openObserved(t, settings)
    await line(/away .*does not know this username with this password/)
    await assert.rejects(store.get('key'), unavailable)
    assert.doesNotMatch(lines.join('\n'), /wrong-secret/)
  })

  test('without the password that is wanted there is none, and it is said why', async (t) => {
    const server = await startRedis(t, { args: ['--requirepass', 'secret'] })
    const { store, line } = await openObserved(t, standalone(server))
    await line(/away .*it wants a username and password/)
    assert.equal(store.isUp, false)
  })

  test('a password alone is that of the default user', async (t) => {
    const server = await startRedis(t, { args: ['--requirepass', 'secret'] })
    const passwordFile = join(server.folder, 'password')
    await writeFile(passwordFile, 'secret\n')
    const { store } = await openObserved(t, standalone(server, { user: { passwordFile } }))
    assert.equal(await store.get('key'), undefined)
  })

  test('a password file that cannot be read is named', async (t) => {
    const server = await startRedis(t)
    const passwordFile = join(server.folder, 'none')
    const { line } = await openObserved(t, standalone(server, { user: { passwordFile } }))
    assert.ok((await line(/away .*ENOENT/)).includes(passwordFile))
  })

  test('a password that was changed in its file is used for the next connection', async (t) => {
    const { server, settings, passwordFile } = await documented(t)
    const { store } = await openObserved(t, settings)
    const heard = new Heard(store, 'certificates')
    await heard.gap(1)
    await writeFile(passwordFile, 'new-secret')
    await server.call('acl', 'setuser', 'sidecar', 'resetpass', '>new-secret')
    await server.call('client', 'kill', 'user', 'sidecar')
    await heard.gap(2)
    await whenUp(store)
    assert.equal(await store.get('session:x'), undefined)
  })

  test('a wrong password is mended by its file, without a restart', async (t) => {
    const { settings, passwordFile } = await documented(t)
    await writeFile(passwordFile, 'wrong')
    const { store } = await openObserved(t, settings)
    assert.equal(store.isUp, false)
    await writeFile(passwordFile, 'sidecar-secret')
    await whenUp(store)
  })

  test('where the ACL lacks a channel, commands work, and it is said', async (t) => {
    const { settings } = await startSecureRedis(t, acl.replace('&{onbehalf}:jwks', ''))
    const { store, line } = await openObserved(t, settings)
    store.subscribe('jwks', () => undefined)
    await line(/away .*"messages".*an ACL rule is missing/)
    await store.set('session:x', 'value', 60_000)
    assert.equal(await store.get('session:x'), 'value')
  })

  test('a server of another CA is not trusted', async (t) => {
    const { server, settings, tls } = await documented(t)
    const other = await writeTls(server.folder, 'other')
    const { store, line } = await openObserved(t, {
      ...settings,
      tls: { ...tls, caFile: other.tls.caFile },
    })
    await line(/away .*of a CA that is not known here/)
    assert.equal(store.isUp, false)
  })

  test('a server of another name is not trusted', async (t) => {
    const { server, settings } = await documented(t)
    const address = { host: '127.0.0.1', port: server.port }
    const { line } = await openObserved(t, { ...settings, servers: { kind: 'standalone', address } })
    await line(/away .*not for this name/)
  })

  test('a server that wants a client certificate says so', async (t) => {
    const { settings, tls } = await documented(t)
    const { line } = await openObserved(t, { ...settings, tls: { caFile: tls.caFile } })
    await line(/away .*wants a client certificate/)
  })

  test('TLS to a port without, and none to a port with it, is guessed', async (t) => {
    const plain = await startRedis(t)
    const { settings, tls } = await documented(t)
    const first = await openObserved(t, { ...settings, tls: undefined })
    await first.line(/away .*where it wants TLS, use rediss:/)
    const second = await openObserved(t, standalone(plain, { tls }))
    await second.line(/away .*does not answer in TLS/)
  })

  test('a node of a cluster is not taken for a standalone server', async (t) => {
    const server = await startRedis(t, { args: ['--cluster-enabled', 'yes'] })
    const { store, line } = await openObserved(t, standalone(server))
    await line(/away .*its cluster does not serve all slots/)
    assert.equal(store.isUp, false)
    await server.kill()
    await whenDown(store)
  })
})
