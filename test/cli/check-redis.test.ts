// `onbehalf check` tells what is wrong with a Redis, in words that say what to do: against real ones.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import type { RedisSettings } from '../../shared/config/mesh.ts'
import { checkRedis } from '../../sidecar/cli/check-redis.ts'
import {
  freePort,
  redisMissing,
  settingsFor,
  standalone,
  startCluster,
  startRedis,
  startSecureRedis,
  startSentinels,
  writeTls,
} from '../support/redis.ts'
import { checkedMesh, rowsOf } from './check-ground.ts'

const acl = await readFile(join(import.meta.dirname, '../../deploy/redis/users.acl'), 'utf8')

/** As `STATUS message`. */
async function checked(settings: RedisSettings): Promise<string[]> {
  return (await checkRedis(settings)).map(({ status, message }) => `${status} ${message}`)
}

async function assertRow(settings: RedisSettings, expected: RegExp): Promise<string[]> {
  const rows = await checked(settings)
  assert.ok(
    rows.some((row) => expected.test(row)),
    `no row like ${expected}:\n${rows.join('\n')}`,
  )
  return rows
}

function assertNoFailure(rows: readonly string[]): void {
  assert.deepEqual(
    rows.filter((row) => row.startsWith('fail')),
    [],
  )
}

const at = (host: string, port: number) => settingsFor({ kind: 'standalone', address: { host, port } })

test('nothing listens', async () => {
  const port = await freePort()
  const rows = await checked(at('127.0.0.1', port))
  assert.deepEqual(rows, [
    `fail 127.0.0.1:${port}, as user default: nothing listens there; is it running, and is this its port? (ECONNREFUSED)`,
  ])
})

test('the name is not known', async () => {
  await assertRow(
    at('redis.invalid', 6379),
    /^fail redis\.invalid:6379, as user default: its name is not known to DNS/,
  )
})

test('something else listens', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined).resume()
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  const { port } = server.address() as AddressInfo
  await assertRow(at('127.0.0.1', port), /^fail .*not the protocol of Redis/)
})

/** Answers HELLO with these words, and all else with 0. */
async function startOther(t: TestContext, hello: Readonly<Record<string, string>>): Promise<RedisSettings> {
  const texts = Object.entries(hello).flat()
  const answer = `*${texts.length}\r\n${texts.map((text) => `$${text.length}\r\n${text}\r\n`).join('')}`
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (part) => socket.write(part.includes('hello') ? answer : ':0\r\n'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  return at('127.0.0.1', (server.address() as AddressInfo).port)
}

test('its version is too old', async (t) => {
  const settings = await startOther(t, { version: '6.0.16', mode: 'standalone', role: 'master' })
  await assertRow(settings, /^fail it is Redis 6\.0\.16, which lacks ZADD GT: .* Use 6\.2 or later$/)
})

test('6.2 is new enough, and so is what counts to ten', async (t) => {
  for (const version of ['6.2.0', '10.0.1']) {
    await assertRow(await startOther(t, { version, mode: 'standalone', role: 'master' }), /^ok it is Redis/)
  }
})

suite('a real Redis', { skip: redisMissing, concurrency: 3 }, () => {
  test('all is well, in a mesh file', async (t) => {
    const server = await startRedis(t)
    const store = { redis: { url: `redis://127.0.0.1:${server.port}` } }
    const { status, rows } = await rowsOf(await checkedMesh(t, { settings: { store } }))
    assert.equal(status, 0, rows.join('\n'))
    for (const expected of [
      /^ok redis: connected to 127\.0\.0\.1:\d+ as user default, in the clear/,
      /^ok redis: it is Redis \d+/,
      /^ok redis: eviction policy noeviction keeps revocations/,
      /^ok redis: .* MiB of memory in use, without a limit/,
      /^ok redis: the ACL lets user default do what it needs/,
      /^info redis: user default may write revocations: .*store\.redis\.revoker/,
    ]) {
      assert.ok(
        rows.some((row) => expected.test(row)),
        `no row like ${expected}:\n${rows.join('\n')}`,
      )
    }
  })

  test('nothing that is written to check stays', async (t) => {
    const server = await startRedis(t)
    await server.call('zadd', '{onbehalf}:revocations', 5, 'kept')
    await checked(standalone(server))
    assert.deepEqual(await server.call('zrange', '{onbehalf}:revocations', 0, -1, 'WITHSCORES'), [
      'kept',
      '5',
    ])
    await server.until((reply) => Number(reply) === 1, 'dbsize')
  })

  test('it is frozen', async (t) => {
    const server = await startRedis(t)
    server.freeze()
    await assertRow(standalone(server), /^fail .*no answer in time; is it overloaded or frozen/)
  })

  test('with TLS and the documented users all is well', async (t) => {
    const { settings, revoker } = await startSecureRedis(t, acl)
    const rows = await checked({ ...settings, revoker })
    assertNoFailure(rows)
    assert.ok(rows.includes('ok only user revoker may write revocations, not user sidecar'), rows.join('\n'))
    assert.ok(rows.includes('ok the ACL lets user sidecar do what it needs'))
    assert.ok(rows.includes('ok the ACL lets user revoker do what it needs'))
    assert.ok(rows.some((row) => /^ok connected to localhost:\d+ as user sidecar, over TLS$/.test(row)))
  })

  test('who revokes is not named', async (t) => {
    const { settings } = await startSecureRedis(t, acl)
    await assertRow(
      { ...settings, revoker: undefined },
      /^info user sidecar may not write revocations, .* needs store\.redis\.revoker$/,
    )
  })

  test('a sidecar may revoke although somebody else is named for it', async (t) => {
    const { settings, revoker } = await startSecureRedis(
      t,
      acl.replace('%R~{onbehalf}:revocations', '~{onbehalf}:* +zadd'),
    )
    await assertRow({ ...settings, revoker }, /^warn user sidecar may write revocations too/)
  })

  for (const [rule, missing] of [
    ['+set ', '+set ~{onbehalf}:session:*'],
    ['+getrange ', '+getrange ~{onbehalf}:certificate:*'],
    ['+eval ', '+eval +get +set ~{onbehalf}:lease:*'],
    ['+del ', '+eval +get +del ~{onbehalf}:lease:*'],
    ['+zscan ', '+zscan %R~{onbehalf}:revocations'],
    ['~{onbehalf}:session:* ', '+set ~{onbehalf}:session:*'],
    ['%R~{onbehalf}:revocations ', '+zcard %R~{onbehalf}:revocations'],
    ['&{onbehalf}:jwks ', '+publish &{onbehalf}:jwks'],
    ['+publish ', '+publish &{onbehalf}:certificates'],
    [' (+subscribe &{onbehalf}:revocations)', '+subscribe &{onbehalf}:revocations'],
  ] as const) {
    test(`the ACL lacks ${rule.trim()}`, async (t) => {
      const [first = '', sidecar = '', ...rest] = acl.split('\n')
      assert.ok(sidecar.includes(rule))
      const { settings } = await startSecureRedis(t, [first, sidecar.replace(rule, ''), ...rest].join('\n'))
      const rows = await checked(settings)
      assert.ok(
        rows.includes(`fail the ACL keeps user sidecar from what it needs: add ${missing}`),
        rows.join('\n'),
      )
    })
  }

  for (const [rule, missing] of [
    ['+zadd ', '+zadd ~{onbehalf}:revocations'],
    ['+zremrangebyscore ', '+zremrangebyscore ~{onbehalf}:revocations'],
    ['&{onbehalf}:revocations +ping', '+publish &{onbehalf}:revocations'],
  ] as const) {
    test(`the ACL of the revoker lacks ${rule.trim()}`, async (t) => {
      const [first = '', sidecar = '', revokerLine = '', ...rest] = acl.split('\n')
      assert.ok(revokerLine.includes(rule))
      const { settings, revoker } = await startSecureRedis(
        t,
        [first, sidecar, revokerLine.replace(rule, ''), ...rest].join('\n'),
      )
      await assertRow(
        { ...settings, revoker },
        new RegExp(
          `^fail the ACL keeps user revoker from what it needs: add ${missing.replace(/[+{}]/g, '\\$&')}$`,
        ),
      )
    })
  }

  test('INFO is not permitted', async (t) => {
    const { settings } = await startSecureRedis(t, acl.replace('+info ', ''))
    const rows = await assertRow(
      settings,
      /^info this user may not ask for memory and eviction policy \(\+info\)/,
    )
    assertNoFailure(rows)
  })

  test('the password is wrong, and is not repeated', async (t) => {
    const { settings, passwordFile } = await startSecureRedis(t, acl)
    await writeFile(passwordFile, 'wrong-secret')
    const rows = await assertRow(
      settings,
      /^fail .*, as user sidecar: .*does not know this username with this password/,
    )
    assert.equal(rows.join('\n').includes('wrong-secret'), false)
  })

  test('a password is wanted and none is given', async (t) => {
    const server = await startRedis(t, { args: ['--requirepass', 'secret'] })
    await assertRow(standalone(server), /^fail .*it wants a username and password; name both in store\.redis/)
  })

  test('the password file is not there', async (t) => {
    const server = await startRedis(t)
    const passwordFile = join(server.folder, 'none')
    await assertRow(
      standalone(server, { user: { passwordFile } }),
      /^fail .*a file .* cannot be read \(.*none: ENOENT\)/,
    )
  })

  test('the CA is not the one that is named', async (t) => {
    const { server, settings, tls } = await startSecureRedis(t, acl)
    const other = await writeTls(server.folder, 'other')
    await assertRow(
      { ...settings, tls: { ...tls, caFile: other.tls.caFile } },
      /^fail .*of a CA that is not known here/,
    )
  })

  test('the name is not in the certificate', async (t) => {
    const { server, settings } = await startSecureRedis(t, acl)
    const servers = { kind: 'standalone', address: { host: '127.0.0.1', port: server.port } } as const
    await assertRow(
      { ...settings, servers },
      /^fail 127\.0\.0\.1:\d+, as user sidecar: its certificate is not for this name/,
    )
  })

  test('a client certificate is wanted', async (t) => {
    const { settings, tls } = await startSecureRedis(t, acl)
    await assertRow({ ...settings, tls: { caFile: tls.caFile } }, /^fail .*wants a client certificate/)
  })

  test('TLS is wanted, or not spoken', async (t) => {
    const { settings, tls } = await startSecureRedis(t, acl)
    await assertRow({ ...settings, tls: undefined }, /^fail .*where it wants TLS, use rediss:/)
    await assertRow(standalone(await startRedis(t), { tls }), /^fail .*does not answer in TLS/)
  })

  for (const [policy, expected] of [
    ['noeviction', /^ok eviction policy noeviction keeps revocations/],
    ['volatile-lru', /^ok eviction policy volatile-lru keeps revocations/],
    [
      'allkeys-lru',
      /^fail eviction policy allkeys-lru can lose revocations .* noeviction, or to volatile-ttl$/,
    ],
    ['allkeys-random', /^fail eviction policy allkeys-random can lose revocations/],
  ] as const) {
    test(`the eviction policy is ${policy}`, async (t) => {
      const server = await startRedis(t, { args: ['--maxmemory-policy', policy] })
      await assertRow(standalone(server), expected)
    })
  }

  test('memory is nearly full', async (t) => {
    const server = await startRedis(t)
    await server.call('set', 'filling', 'x'.repeat(30_000_000))
    const used = Number(/used_memory:(\d+)/.exec(String(await server.call('info', 'memory')))?.[1])
    await server.call('config', 'set', 'maxmemory', Math.round(used / 0.95))
    await assertRow(standalone(server), /^warn .* of memory in use: it is nearly full/)
  })

  test('memory is full', async (t) => {
    const server = await startRedis(t)
    await server.call('config', 'set', 'maxmemory', 1)
    const rows = await assertRow(
      standalone(server),
      /^fail .* of memory in use: it is full, and takes nothing more/,
    )
    assert.ok(
      rows.some((row) =>
        /^fail what needs \+set .* is refused to user default: its memory is full/.test(row),
      ),
    )
  })

  test('it is a replica', async (t) => {
    const master = await startRedis(t)
    const replica = await startRedis(t, { args: ['--replicaof', `127.0.0.1 ${master.port}`] })
    await master.until((reply) => String(reply).includes('state=online'), 'info', 'replication')
    await assertRow(
      standalone(replica),
      /^fail it is a replica, which cannot be written to: .* Name the master/,
    )
  })

  test('it is a node of a cluster', async (t) => {
    const { owner, masters } = await startCluster(t)
    await assertRow(
      standalone(owner),
      /^fail it is a node of a cluster: name the nodes in store\.redis\.cluster/,
    )
    const other = masters.find((node) => node !== owner)
    assert.ok(other)
    await assertRow(standalone(other), /^fail .*one node of a cluster that keeps this prefix elsewhere/)
  })

  test('a cluster is well, also with a node that is away', async (t) => {
    const { owner, masters, settings } = await startCluster(t)
    assertNoFailure(await checked(settings))
    const other = masters.find((node) => node !== owner)
    await other?.kill()
    await assertRow(settings, new RegExp(`^warn node 127\\.0\\.0\\.1:${other?.port}: nothing listens there`))
  })

  test('it is no node of a cluster', async (t) => {
    const server = await startRedis(t)
    const settings = settingsFor({ kind: 'cluster', nodes: [server.address] })
    await assertRow(settings, /^fail it is no node of a cluster: name it in store\.redis\.url/)
  })

  test('sentinels are well, also where one is away', async (t) => {
    const { master, sentinels, settings } = await startSentinels(t)
    const rows = await assertRow(
      settings,
      new RegExp(`^ok sentinel .*: says that the master main is 127\\.0\\.0\\.1:${master.port}$`),
    )
    assertNoFailure(rows)
    await sentinels[0]?.kill()
    assertNoFailure(await assertRow(settings, /^warn sentinel .*: nothing listens there/))
  })

  test('the sentinels do not know the name of the master', async (t) => {
    const { settings } = await startSentinels(t)
    const { servers } = settings
    assert.ok(servers.kind === 'sentinel')
    const rows = await checked({ ...settings, servers: { ...servers, master: 'other' } })
    assert.equal(rows.length, 3)
    for (const row of rows)
      assert.match(row, /^fail sentinel .*knows no master of that name; see store\.redis\.master/)
  })

  test('a sentinel is given as a single Redis, and the reverse', async (t) => {
    const { master, sentinels } = await startSentinels(t)
    const [sentinel] = sentinels
    assert.ok(sentinel)
    await assertRow(
      standalone(sentinel),
      /^fail it is a sentinel, which keeps nothing: name it in store\.redis\.sentinels/,
    )
    const reverse = settingsFor({ kind: 'sentinel', sentinels: [master.address], master: 'main', user: {} })
    await assertRow(
      reverse,
      /^fail sentinel .*: it is no sentinel; name the sentinels, or one Redis in store\.redis\.url/,
    )
  })
})
