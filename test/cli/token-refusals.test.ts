// `onbehalf token verify` on every refusal that a token can bring: the very answer of a running sidecar, explained.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { refusalCodes } from '../../shared/errors.ts'
import { send } from '../support/client.ts'
import { startMesh, type TestMesh } from '../support/mesh.ts'
import { refusalRows, type Row } from './token-refusal-rows.ts'
import { secretParts, verdictIn, verifyIn } from './token-run.ts'

interface Sent {
  readonly token: string
  readonly tokenFor: string | undefined
  readonly via: string | undefined
}

/** The same request to a sidecar that runs. */
async function answerOf(mesh: TestMesh, row: Row, { token, tokenFor, via }: Sent) {
  const headers = ['X-Pomerium-Jwt-Assertion', token]
  if (tokenFor !== undefined) headers.push('X-Pomerium-Jwt-Assertion-For', tokenFor)
  if (via !== undefined) headers.push('x-onbehalf-via', via)
  const port = mesh.sidecars[row.service ?? 'App'].inbound
  const answer = await send({ port, headers, target: row.path ?? '/' })
  const { error, message } = JSON.parse(answer.body) as { error: string; message: string }
  return { status: answer.status, code: error, message }
}

async function provoke(t: TestContext, row: Row) {
  const { service = 'App', path = '/' } = row
  const mesh = await startMesh(t, { ...row.mesh, run: [service] })
  const token = await row.token(mesh)
  const tokenFor = await row.tokenFor?.(mesh)
  const via = await row.via?.(mesh)
  const args = [
    token,
    '--path',
    path,
    ...(tokenFor === undefined ? [] : ['--for', tokenFor]),
    ...(via === undefined ? [] : ['--via', via]),
  ]
  return { mesh, service, sent: { token, tokenFor, via }, args }
}

for (const row of refusalRows) {
  test(`${row.code}, because ${row.because}: as a running sidecar answers, and explained`, async (t) => {
    const { mesh, service, sent, args } = await provoke(t, row)
    const verdict = await verdictIn(mesh, service, ...args)
    const answer = await answerOf(mesh, row, sent)
    const { refusal } = verdict
    const message = `${refusal?.message} More: onbehalf explain ${refusal?.code}`
    assert.deepEqual({ status: refusal?.status, code: refusal?.code, message }, answer)
    assert.equal(refusal?.code, row.code)
    assert.deepEqual([verdict.answer, verdict.status], ['refused', 1])
    assert.match(Object.values(refusal ?? {}).join(' | '), row.says)
    const failed = verdict.checks.filter(({ state }) => state === 'failed')
    assert.deepEqual(
      failed.map(({ of, name }) => `${of} ${name}`),
      row.check === '' ? [] : [row.check],
    )
    const at = verdict.checks.findIndex(({ state }) => state === 'failed')
    assert.ok(verdict.checks.slice(at + 1).every(({ state }) => state === 'not_reached'))

    const { stdout } = await verifyIn(mesh, service, ...args)
    assert.match(
      stdout,
      new RegExp(`^REFUSED by the sidecar of ${service}: ${row.code} \\(HTTP ${answer.status}\\)\n`),
    )
    const shown = stdout + JSON.stringify(verdict)
    for (const part of [sent.token, sent.tokenFor ?? '', sent.via ?? ''].flatMap(secretParts))
      assert.ok(!shown.includes(part), shown)
  })
}

test('every code of a token is among them, but those that only a running sidecar or a call has', () => {
  const elsewhere = new Set([
    'assertion_missing',
    'assertion_reused',
    'assertion_revoked',
    'original_user_revoked',
    'original_user_ambiguous',
    'original_user_lost',
  ])
  const codes = refusalCodes.filter(
    (code) => /^(?:assertion|original_user)_/.test(code) && !elsewhere.has(code),
  )
  const provoked = new Set(refusalRows.map(({ code }) => code))
  assert.deepEqual(
    codes.filter((code) => !provoked.has(code)),
    [],
  )
})
