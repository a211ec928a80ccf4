// Tens of thousands of live sessions, each of a user's own assertion: what they cost, that it is counted, and that it comes back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verifyToken } from '../../shared/assertion/verify.ts'
import { readTraceParent } from '../../shared/headers/trace-context.ts'
import type { Snapshot } from '../../shared/trust.ts'
import { Sessions, type KeptSession } from '../../sidecar/sessions.ts'
import { clockMs } from '../support/certificates.ts'
import { usedBytes, usedBytesOnceBelow } from '../support/memory.ts'
import { hosts, nothingRevoked, nowS, snapshotOf, userToken } from '../support/tokens.ts'
import { mebibyte } from './resident.ts'
import { soak } from './soak.ts'

/** Each costs a signature and its verification; the soak has 100,000. */
const count = soak === 1 ? 30_000 : 100_000
const lingerMs = 30_000

/** An assertion as Pomerium signs it, verified as the sidecar does, whose cache of verdicts is not counted here. */
function comeIn(i: number, snapshot: Snapshot) {
  const email = `user${i}@companydomain.com`
  const groups = ['staff', 'finance', 'eu-central']
  const token = userToken({
    sub: `user-${i}`,
    user: `user-${i}`,
    aud: hosts.App,
    iss: hosts.App,
    email,
    groups,
    iat: nowS,
  })
  return verifyToken(token, {
    role: 'assertion',
    audiences: new Set([hosts.App]),
    peer: { address: '192.0.2.1' },
    snapshot,
    revocations: nothingRevoked,
    nowMs: clockMs,
    missing: () => 'unknown',
  })
}

/** As it is read of a request. */
function traceOf(i: number) {
  const id = (length: number) => String(i + 1).padStart(length, '0')
  const trace = readTraceParent(['traceparent', `00-${id(32)}-${id(16)}-01`])
  return trace === undefined ? {} : { trace }
}

test(`${count} live sessions: their memory is what is counted, and is free again when they have ended`, async (t) => {
  let nowMs = clockMs
  const sessions = new Sessions({
    service: 'App',
    now: () => nowMs,
    maxBytes: () => 0,
    lingerMs: () => lingerMs,
  })
  const keep = (howMany: number) => {
    const kept: KeptSession[] = []
    let snapshot = snapshotOf()
    for (let i = 0; i < howMany; i++) {
      if (i % 1_000 === 0) snapshot = snapshotOf()
      const origin = { requestId: crypto.randomUUID(), ...traceOf(i) }
      kept.push(sessions.keep(comeIn(i, snapshot), undefined, origin))
    }
    return kept
  }
  const end = (kept: readonly KeptSession[]) => {
    for (const session of kept) session.end()
    nowMs += lingerMs
    sessions.sweep()
    assert.deepEqual([sessions.size, sessions.bytes], [0, 0])
  }
  end(keep(1_000))
  const before = await usedBytes()
  let kept = keep(count)
  const measured = (await usedBytes()) - before
  const counted = sessions.bytes
  t.diagnostic(
    `${toMib(measured)} MiB measured, ${toMib(counted)} MiB counted: ${Math.round(measured / count)} bytes each`,
  )
  assert.ok(counted / measured > 0.8 && counted / measured < 1.25, `${counted} counted, ${measured} measured`)
  end(kept)
  kept = []
  const left = (await usedBytesOnceBelow(before + measured / 20)) - before
  t.diagnostic(`${toMib(left)} MiB left`)
  assert.ok(left < measured / 20, `${left} bytes are left`)
})

const toMib = (bytes: number) => (bytes / mebibyte).toFixed(1)
