// The audit has a line for each decision, holds nobody up, and counts what it loses.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, open as openFile, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { makeDecision, type Decision } from '../../../shared/decision.ts'
import { Refusal } from '../../../shared/errors.ts'
import { createPseudonyms, plainNaming, type Naming } from '../../../shared/pseudonyms.ts'
import { auditLine, openAudit } from '../../../sidecar/telemetry/audit.ts'
import { createLog } from '../../../sidecar/telemetry/log.ts'
import { Metrics } from '../../../sidecar/telemetry/metrics.ts'
import { clockMs } from '../../support/certificates.ts'
import { eventually } from '../../support/eventually.ts'
import { assertionOf, meshOf, routeOf } from '../../support/tokens.ts'

const pseudonyms = createPseudonyms(Buffer.alloc(32, 1))

function decision(requestId: string, refusal?: Refusal): Decision {
  return makeDecision({
    requestId,
    trace: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), isSampled: true, isContinued: true },
    isOwnSpan: true,
    direction: 'inbound',
    atMs: clockMs,
    mesh: meshOf(),
    refusal,
    reason: 'allow[0].or user',
    method: 'GET',
    target: { host: 'api.example.com', originForm: '/orders?secret=1' },
    route: routeOf(),
    peer: '192.0.2.7',
    caller: assertionOf('service_account', 'api-access'),
    originalUser: assertionOf('user', 'alice'),
  })
}

async function open(t: TestContext, file?: string) {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-audit-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const path = file ?? join(folder, 'audit.jsonl')
  const metrics = new Metrics()
  const logged: string[] = []
  const settings = { level: 'info', format: 'json', access: 'off', linesPerSecond: 0 } as const
  const log = createLog(settings, { write: (line) => logged.push(line) }, () => clockMs)
  const audit = await openAudit({ settings: { to: 'file', file: path }, metrics, log })
  t.after(() => audit.close())
  const dropped = () => Number([...(metrics.instruments[0]?.read() ?? [])][0]?.[1] ?? 0)
  const lines = async (from = path) =>
    (await readFile(from, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  return { audit, path, dropped, logged, lines }
}

const idsOf = (lines: readonly Record<string, unknown>[]) => lines.map(({ request_id: id }) => id)

test('each decision is a line, in their order, in a file that its owner alone can read', async (t) => {
  const { audit, path, lines } = await open(t)
  for (let i = 0; i < 100; i++) audit.write(decision(`r${i}`), plainNaming)
  await audit.close()
  assert.deepEqual(
    idsOf(await lines()),
    Array.from({ length: 100 }, (_, i) => `r${i}`),
  )
  assert.equal((await stat(path)).mode & 0o777, 0o600)
})

test('a line says who, on whose behalf, to what, with which verdict and why', () => {
  const line = JSON.parse(
    JSON.stringify(auditLine(decision('r1', new Refusal('policy_denied', 'No.')), plainNaming)),
  ) as object
  assert.deepEqual(line, {
    version: 1,
    time: '2026-01-15T12:00:00.000Z',
    service: 'API',
    direction: 'inbound',
    outcome: 'refused',
    mode: 'enforce',
    code: 'policy_denied',
    reason: 'No.',
    caller: { kind: 'service_account', issuer: 'mesh', id: 'api-access' },
    original_user: { kind: 'user', issuer: 'pomerium', id: 'alice' },
    route: 'API',
    method: 'GET',
    host: 'api.example.com',
    path: '/orders',
    peer: '192.0.2.7',
    request_id: 'r1',
    trace_id: 'a'.repeat(32),
    span_id: 'b'.repeat(16),
  })
})

test('no text of a stranger commands a terminal, and JSON gives it back', async (t) => {
  const { audit, path, lines } = await open(t)
  const detail = 'aud is "\u009b31m\u007f\u2028\u202e\u{e0041}"'
  audit.write({ ...decision('r1'), detail }, plainNaming)
  await audit.close()
  assert.match(await readFile(path, 'utf8'), /^[\x20-\x7e]+\n$/)
  assert.equal((await lines())[0]?.['detail'], detail)
})

const of = (naming: Naming) => JSON.stringify(auditLine(decision('r1'), naming))

test('a user stands there by a pseudonym, an account by its name', () => {
  assert.match(
    of(pseudonyms),
    /"original_user":\{"kind":"user","issuer":"pomerium","pseudonym":"[\w-]{22}"\}/,
  )
  assert.match(of(pseudonyms), /"id":"api-access"/)
  assert.doesNotMatch(of(pseudonyms), /alice/)
})

test('what was there before stays, and a file that was moved away is opened anew', async (t) => {
  const { audit, path, lines } = await open(t)
  await appendFile(path, '{"request_id":"before"}\n')
  audit.write(decision('r1'), plainNaming)
  await eventually(async () => (await lines()).length === 2)
  await rename(path, `${path}.1`)
  audit.reopen()
  audit.write(decision('r2'), plainNaming)
  await audit.close()
  assert.deepEqual(idsOf(await lines(`${path}.1`)), ['before', 'r1'])
  assert.deepEqual(idsOf(await lines()), ['r2'])
})

test('a file that cannot be written is said at the start', async (t) => {
  await assert.rejects(
    open(t, '/nowhere/audit.jsonl'),
    /^Error: audit\.file \/nowhere\/audit\.jsonl cannot be written: .*ENOENT/,
  )
})

test('what nobody reads is kept up to a bound, then dropped and counted, and no write waits', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-audit-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  // Somebody who opened it, and does not read.
  const reader = await openFile(pipe, 'r+')
  t.after(() => reader.close())
  const { audit, dropped } = await open(t, pipe)
  for (let i = 0; i < 20_000; i++) audit.write(decision(`r${i}`), plainNaming)
  assert.ok(dropped() > 0 && dropped() < 20_000, `${dropped()} were dropped`)
  // Whoever holds the pipe lets go of what is being written to it.
  await reader.read(Buffer.alloc(1024 * 1024))
})

test('a full disk is said in the log, counted, and tried again later', async (t) => {
  const { audit, dropped, logged } = await open(t, '/dev/full')
  audit.write(decision('r1'), plainNaming)
  await eventually(async () => logged.some((line) => /the audit cannot be written.*ENOSPC/.test(line)))
  audit.write(decision('r2'), plainNaming)
  assert.equal(dropped(), 2)
})

/** In a process of its own; its last word, on standard error, is how many lines it dropped. */
const auditing = (to: string, count: number, then = '') => `
  import { openAudit } from ${JSON.stringify(import.meta.resolve('../../../sidecar/telemetry/audit.ts'))}
  import { Metrics } from ${JSON.stringify(import.meta.resolve('../../../sidecar/telemetry/metrics.ts'))}
  // As the command line does, which makes a pipe there non-blocking.
  process.stdout.on('error', () => undefined)
  const metrics = new Metrics()
  const audit = await openAudit({ settings: ${to}, metrics, log: { level: 'error', write: () => told() } })
  let told
  const failed = new Promise((resolve) => (told = resolve))
  const naming = { isPlain: true, idOf: () => '' }
  const write = (requestId) => audit.write({ atMs: 0, requestId, path: 'x'.repeat(300) }, naming)
  for (let i = 0; i < ${count}; i++) write('r' + i)
  ${then}
  await audit.close()
  process.stderr.write(String([...metrics.instruments[0].read()][0]?.[1] ?? 0))`

test('a reader of standard output that pauses loses nothing, and the end waits for it', async () => {
  const script = auditing(JSON.stringify({ to: 'stdout' }), 3_000)
  const child = spawn(process.execPath, ['--input-type=module', '-e', script])
  const closed = once(child, 'close')
  let said = ''
  child.stderr.on('data', (part) => (said += String(part)))
  // What comes to fill the pipe comes at once; all else has to wait.
  await once(child.stdout, 'readable')
  await eventually(async () => child.stdout.readableLength >= child.stdout.readableHighWaterMark)
  let lines = 0
  for await (const part of child.stdout) lines += String(part).split('\n').length - 1
  assert.deepEqual([...(await closed), said, lines], [0, null, '0', 3_000])
})

test('after a disk that was full in the midst of a line the next one is whole, and only what is lost is counted', async (t) => {
  const { path } = await open(t)
  const then = `
    await failed
    // Where the disk has room again.
    const { readFileSync, writeFileSync } = await import('node:fs')
    writeFileSync(file, readFileSync(file).subarray(-200))
    audit.reopen()
    write('after')`
  const settings = JSON.stringify({ to: 'file', file: path })
  const script = `const file = ${JSON.stringify(path)}\n${auditing(settings, 4, then)}`
  const limited = 'ulimit -f 1 && exec "$0" --input-type=module -e "$1"'
  const child = spawn('bash', ['-c', limited, process.execPath, script])
  let said = ''
  child.stderr.on('data', (part) => (said += String(part)))
  assert.deepEqual(await once(child, 'close'), [0, null])
  const [torn, whole] = (await readFile(path, 'utf8')).trimEnd().split('\n')
  assert.throws(() => JSON.parse(torn ?? ''))
  assert.equal((JSON.parse(whole ?? '') as { request_id: string }).request_id, 'after')
  assert.equal(said, '2')
})
