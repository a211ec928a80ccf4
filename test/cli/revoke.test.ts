// `onbehalf revoke`: what it takes, what it says, and that it revokes.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { makeEntry, memberOf } from '../../shared/revocation.ts'
import { revoke } from '../../sidecar/cli/revoke.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { freePort, redisMissing, startRedis } from '../support/redis.ts'

interface Written {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

async function run(mesh: Pick<TestMesh, 'folder' | 'meshFile'>, ...args: string[]): Promise<Written> {
  const written = { stdout: '', stderr: '' }
  const stdout = { write: (text: string) => void (written.stdout += text) }
  const stderr = { write: (text: string) => void (written.stderr += text) }
  const io = { stdout, stderr, env: {}, cwd: mesh.folder }
  const status = await revoke(['--config', mesh.meshFile, ...args], io)
  return { status, ...written }
}

/** No sidecar runs. */
const startFile = (t: TestContext, options: MeshOptions = {}) => startMesh(t, { run: [], ...options })

async function startFileOnRedis(t: TestContext, options: MeshOptions = {}) {
  const redis = await startRedis(t)
  const store = { redis: { url: `redis://127.0.0.1:${redis.port}`, prefix: 'shop' } }
  return { redis, mesh: await startFile(t, { ...options, settings: { store, ...options.settings } }) }
}

const wrong: readonly (readonly [args: readonly string[], words: RegExp])[] = [
  [[], /say what is revoked: one of --session, --subject, --jti and --kid/],
  [['--jti', 'a', '--kid', 'b'], /say what is revoked: one of/],
  [['--session', ''], /--session: is empty/],
  [['--session', 's', 'more'], /"more" is one word too many/],
  [
    ['--session', 's', '--issuer', 'pomeriun'],
    /there is no issuer "pomeriun"; did you mean "pomerium"\?; the issuers are pomerium, mesh/,
  ],
  [['--kid', 'k', '--issuer', 'pomerium'], /--issuer: a key is revoked for whoever signs with it/],
  [['--kid', 'k', '--for', '1h'], /--for: a key is revoked for ever/],
  [['--session', 's', '--for', 'long'], /--for: "long" is no time such as 12h, 90d or forever/],
  [['--session', 's', '--for', '0s'], /--for: "0s" is no time/],
  [['--session', 's', '-o', 'yaml'], /-o: must be json/],
  [['--session', 's', '--redis-user', 'x'], /the mesh file names no Redis \(store: memory\)/],
  [['--unknown'], /there is no option --unknown/],
]
for (const [args, words] of wrong) {
  test(`${JSON.stringify(args)} is wrong use, and nothing is revoked`, async (t) => {
    const mesh = await startFile(t)
    const { status, stdout, stderr } = await run(mesh, '--service', 'App', ...args)
    assert.equal(status, 2)
    assert.equal(stdout, '')
    assert.match(stderr, words)
    assert.match(stderr, /See onbehalf revoke --help\./)
  })
}

test('where there are two issuers, it must be said whose', async (t) => {
  const issuers = ['one', 'two'].map((name) => ({
    name,
    issuer: [`https://${name}`],
    jwks: `https://${name}/jwks.json`,
  }))
  const mesh = await startFile(t)
  await mesh.writeMeshFile((file) => Object.assign(file, { issuers }))
  const { status, stderr } = await run(mesh, '--service', 'App', '--session', 's')
  assert.equal(status, 2)
  assert.match(stderr, /say whose, by --issuer; the issuers are one, two, mesh/)
})

test('a mesh file that is wrong is said as everywhere', async (t) => {
  const mesh = await startFile(t)
  const { status, stderr } = await run({ ...mesh, meshFile: 'nowhere.yaml' }, '--kid', 'k')
  assert.equal(status, 2)
  assert.match(stderr, /Cannot read nowhere\.yaml/)
})

test('--help says what it takes, and its example', async (t) => {
  const { status, stdout } = await run(await startFile(t), '--help')
  assert.equal(status, 0)
  assert.match(stdout, /^Usage: onbehalf revoke --session SID/)
  assert.match(stdout, /Exit status: 0 revoked, 1 /)
})

test('with store: memory the running sidecar of the service revokes', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const { admin, sidecar, inbound } = mesh.sidecars.App
  const where = ['--listen-admin', `127.0.0.1:${admin}`, '--admin-token-file', sidecar.adminToken.file]
  const headers = ['X-Pomerium-Jwt-Assertion', await mesh.pomerium.assertion('alice', hosts.App)]
  assert.equal((await send({ port: inbound, headers })).status, 200)
  const { status, stdout, stderr } = await run(
    mesh,
    '--service',
    'App',
    ...where,
    '--subject',
    'alice-id',
    '-o',
    'json',
  )
  assert.equal(status, 0, stderr)
  const { revoked_at: revokedAt, until, ...done } = JSON.parse(stdout) as Record<string, unknown>
  assert.deepEqual(done, {
    message:
      'Refused here from now on: assertions of this subject that were issued until now. New ones are accepted.',
    kind: 'subject',
    issuer: 'pomerium',
    value: 'alice-id',
    reach: 'local',
    warning: 'only the sidecar of App knows of it, while it runs (store: memory)',
  })
  const days = (Date.parse(String(until)) - Date.parse(String(revokedAt))) / 86_400_000
  assert.equal(days, 30)
  assert.match(stderr, /only the sidecar of App knows of it/)
  assert.equal((await send({ port: inbound, headers })).code, 'assertion_revoked')
})

test('with store: memory and no sidecar it is said, and nothing is revoked', async (t) => {
  const mesh = await startFile(t)
  const where = ['--listen-admin', `127.0.0.1:${await freePort()}`]
  const { status, stderr } = await run(mesh, '--service', 'App', ...where, '--kid', 'k')
  assert.equal(status, 1)
  assert.match(stderr, /NOT revoked: the admin token cannot be read from .*App\.admin-token/)
})

const kinds = [
  ['--session', 'session', /every assertion of this session, until/],
  ['--subject', 'subject', /every assertion of this subject that was issued until now, until/],
  ['--jti', 'jti', /this assertion, until/],
  ['--kid', 'kid', /whatever this key signed, for ever/],
] as const
for (const [flag, kind, words] of kinds) {
  test(
    `${flag} with a Redis is written there, no service named; that nobody listens is said`,
    { skip: redisMissing },
    async (t) => {
      const { mesh, redis } = await startFileOnRedis(t)
      const { status, stdout, stderr } = await run(mesh, flag, 'some value')
      assert.equal(status, 0, stderr)
      assert.match(stdout, words)
      assert.match(stdout, /0 sidecars heard it; others find it when they next read all, within seconds\.\n$/)
      assert.match(
        stderr,
        /no sidecar listens on this store\. Is its prefix \(shop\) that of the running ones\?/,
      )
      const revocation =
        kind === 'kid'
          ? ({ kind, value: 'some value' } as const)
          : ({ kind, issuer: 'pomerium', value: 'some value' } as const)
      const [[member, score]] = (await redisMembers(redis)) as [[string, string]]
      const entry = makeEntry(revocation, 30 * 86_400, Date.now())
      assert.equal(member.slice(0, 43), memberOf(entry).slice(0, 43))
      if (kind === 'kid') assert.equal(score, 'inf')
      else assert.ok(Math.abs(Number(score) - entry.forgetAtSeconds) < 120)
    },
  )
}

async function redisMembers(redis: { call: (...args: [string, ...string[]]) => Promise<unknown> }) {
  const flat = (await redis.call('zrange', '{shop}:revocations', '0', '-1', 'WITHSCORES')) as string[]
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]])
}

test(
  '--for says until when, and forever that it is never over; -o json says it all',
  { skip: redisMissing },
  async (t) => {
    const { mesh, redis } = await startFileOnRedis(t)
    const done = JSON.parse((await run(mesh, '--jti', 'j', '--for', '90d', '-o', 'json')).stdout) as Record<
      string,
      string
    >
    assert.equal((Date.parse(done['until'] ?? '') - Date.parse(done['revoked_at'] ?? '')) / 86_400_000, 90)
    assert.equal(done['reach'], 'shared')
    assert.equal(done['listening'], 0)
    const forever = JSON.parse(
      (await run(mesh, '--jti', 'k', '--for', 'forever', '-o', 'json')).stdout,
    ) as object
    assert.ok(!Object.hasOwn(forever, 'until'))
    const scores = (await redisMembers(redis)).map(([, score]) => score)
    assert.ok(scores.includes('inf'))
  },
)

test(
  'a Redis that is not there is said, with what to look at, and nothing is revoked',
  { skip: redisMissing },
  async (t) => {
    const { mesh, redis } = await startFileOnRedis(t)
    await redis.kill()
    const { status, stdout, stderr } = await run(mesh, '--kid', 'k')
    assert.equal(status, 1)
    assert.equal(stdout, '')
    assert.match(
      stderr,
      /NOT revoked: the store: nothing listens there; is it running, and is this its port\?/,
    )
  },
)

test('a wrong password is said, and is not shown', { skip: redisMissing }, async (t) => {
  const { mesh, redis } = await startFileOnRedis(t, { files: { password: 'hunter2-wrong' } })
  await redis.call('acl', 'setuser', 'revoker', 'on', '>right', '~*', '&*', '+@all')
  const { status, stderr } = await run(
    mesh,
    '--kid',
    'k',
    '--redis-user',
    'revoker',
    '--redis-password-file',
    'password',
  )
  assert.equal(status, 1)
  assert.match(stderr, /NOT revoked: the store: it does not know this username with this password/)
  assert.ok(!stderr.includes('hunter2'))
})
