// The demo with STORE=redis, as a user and as CI run it, against the built sidecar and a real Redis.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { redisMissing } from '../support/redis.ts'
import { portsLeftOpen, runDemo } from './run-demo.ts'

const skip = redisMissing
// Half a minute of load, with each of some ten waits at most 15 s.
const timeout = 240_000

test(
  'with STORE=redis no request fails while Redis is lost and keys are renewed, and nothing stays behind',
  { skip, timeout },
  async () => {
    const { status, output, errors } = await runDemo({ CI: '1', STORE: 'redis' })
    assert.equal(status, 0, output + errors)
    assert.match(output, /All as expected\./)
    assert.match(output, /Redis :\d+, which the three sidecars share/)
    const rows = output.slice(output.indexOf('What the sidecars share')).match(/^.* ok$/gm) ?? []
    assert.equal(rows.length, 12)
    for (const row of rows) assert.match(row, / (?!0 )(\d+) of \1 /)
    assert.match(rows[0] ?? '', /certificates are found by their kid .* \d{3} bytes, [6-9]\d\d fewer/)
    assert.match(rows[1] ?? '', /Redis is killed.* onbehalf_store_up 1, 0, 1; meanwhile certificates travel /)
    assert.match(rows[8] ?? '', / 503 keys_unavailable, /)
    assert.match(rows[9] ?? '', / App: 401 assertion_revoked; API and Ledger: 401 original_user_revoked /)
    assert.deepEqual(await portsLeftOpen(output), [])
  },
)

test(
  'a Redis that does not come back is a row that differs, and exit status 1',
  { skip, timeout },
  async (t) => {
    const PATH = `${await withRedisThatStartsOnce(t)}:${process.env['PATH']}`
    const { status, output, errors } = await runDemo({ CI: '1', STORE: 'redis', PATH })
    // What failed is kept for whoever looks into it.
    const kept = /^The configuration and the logs are in (\S+)$/m.exec(errors)?.[1]
    if (kept !== undefined) await rm(kept, { recursive: true })
    assert.equal(status, 1, output + errors)
    assert.notEqual(kept, undefined)
    assert.match(output, /Not all as expected\./)
    assert.match(output, /Redis is killed, .* failed: redis ended\..* DIFFERS$/m)
    assert.match(output, /^ {2}all requests +(\d+) of \1 +ok$/m)
    assert.deepEqual(await portsLeftOpen(output), [])
  },
)

test('without redis-server it says what to install', { timeout }, async () => {
  const { status, output, errors } = await runDemo({ CI: '1', STORE: 'redis', PATH: '/nowhere' })
  assert.deepEqual([status, output], [1, ''])
  assert.match(
    errors,
    /^STORE=redis needs redis-server, which is not installed: apt-get install redis-server/,
  )
})

/** A folder for PATH with a redis-server that starts once, and then no more. */
async function withRedisThatStartsOnce(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'onbehalf-test-'))
  t.after(() => rm(folder, { recursive: true }))
  const real = execFileSync('sh', ['-c', 'command -v redis-server'], { encoding: 'utf8' }).trim()
  const script = [
    '#!/bin/sh',
    `[ "$1" = --version ] && exec ${real} --version`,
    '[ -e "$0.started" ] && exit 1',
    ': > "$0.started"',
    `exec ${real} "$@"`,
  ]
  await writeFile(path.join(folder, 'redis-server'), `${script.join('\n')}\n`, { mode: 0o755 })
  return folder
}
