// What becomes of a request that its side fails to serve, or does not look at.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeDecision, type Decision } from '../../shared/decision.ts'
import { Admission, handle, type LoadCheck, type Side } from '../../sidecar/exchange.ts'
import type { Incoming, ReplyHead } from '../../sidecar/http/incoming.ts'
import type { Upgrade } from '../../sidecar/http/upgrade.ts'
import type { Recorder } from '../../sidecar/telemetry/recorder.ts'
import { clockMs } from '../support/certificates.ts'
import { meshOf } from '../support/tokens.ts'

const mesh = meshOf()

/** Its decisions, and how many requests it was to serve. */
function makeSide(isShed: LoadCheck) {
  const decided: Decision[] = []
  const faults: unknown[] = []
  const recorder = {
    decided: (decision: Decision) => decided.push(decision),
    ended: () => undefined,
    fault: (...fault: unknown[]) => faults.push(fault),
  }
  const counts = { served: 0 }
  const error = new TypeError('it is not there')
  const side: Side = {
    name: 'test',
    admission: new Admission(isShed),
    recorder: recorder as unknown as Recorder,
    now: () => clockMs,
    limits: () => mesh.limits,
    refusedUnseen: ({ requestId }, refusal) =>
      makeDecision({
        requestId,
        refusal,
        mesh,
        direction: 'inbound',
        atMs: clockMs,
        reason: '',
        method: 'GET',
        target: undefined,
        route: undefined,
        peer: '',
        caller: undefined,
        originalUser: undefined,
      }),
    serve: async () => {
      counts.served++
      throw error
    },
  }
  return { side, decided, faults, error, counts }
}

/** A request, and what is answered. */
function makeIncoming(headers: readonly string[] = [], upgrade?: Upgrade) {
  const answers: { head: ReplyHead; body: string }[] = []
  const incoming = {
    head: { method: 'GET', target: '/', headers: ['Host', 'localhost', ...headers] },
    version: '1.1',
    upgrade,
    connection: { peer: '192.0.2.1', isTls: false },
    reply: {
      hasBegun: false,
      isGone: false,
      send: (head: ReplyHead, body: string) => answers.push({ head, body }),
    },
    refuseUnserved: () => undefined,
  } as unknown as Incoming
  return { incoming, answers }
}

test('a fault of our own is told to the log alone, before the request was looked at too', async () => {
  const { side, decided, faults, error } = makeSide(() => false)
  const { incoming, answers } = makeIncoming()
  await handle(side, incoming)
  assert.deepEqual(
    decided.map(({ code, detail }) => [code, detail]),
    [['overloaded', 'it is not there']],
  )
  assert.deepEqual(faults, [['request', error]])
  assert.equal(answers.length, 1)
  assert.doesNotMatch(answers[0]?.body ?? '', /it is not there/)
})

const upgrade: Upgrade = { protocols: ['websocket'], accept: () => assert.fail('it is not granted') }
const kinds = [
  { name: 'a request', status: 503, fields: { 'Retry-After': '1' }, request: makeIncoming() },
  {
    name: 'a call of gRPC',
    status: 200,
    fields: { 'grpc-status': '8' },
    request: makeIncoming(['Content-Type', 'application/grpc']),
  },
  { name: 'an upgrade', status: 503, fields: { 'Retry-After': '1' }, request: makeIncoming([], upgrade) },
] as const

for (const { name, status, fields, request } of kinds) {
  test(`${name} that is shed is answered and recorded, and nothing of it is looked at`, async () => {
    const { side, decided, counts } = makeSide(() => true)
    await handle(side, request.incoming)
    assert.equal(counts.served, 0)
    assert.deepEqual(
      decided.map(({ outcome, code }) => [outcome, code]),
      [['refused', 'overloaded']],
    )
    const [answer] = request.answers
    assert.equal(answer?.head.status, status)
    const headers = answer?.head.headers ?? []
    const given = { ...fields, 'x-onbehalf-error': 'overloaded' }
    for (const [field, value] of Object.entries(given))
      assert.equal(headers[headers.indexOf(field) + 1], value)
    assert.equal(side.admission.active, 0)
  })
}

test('how late it is, and how late it may be, is what decides whether a request is shed', async () => {
  const asked: number[][] = []
  const { side } = makeSide((nowMs, delayMs) => {
    asked.push([nowMs, delayMs])
    return false
  })
  const limited = { ...side, limits: () => ({ ...mesh.limits, queueDelayMs: 70 }) }
  const beforeMs = performance.now()
  await handle(limited, makeIncoming().incoming)
  assert.equal(asked.length, 1)
  const [nowMs = 0, delayMs] = asked[0] ?? []
  assert.equal(delayMs, 70)
  assert.ok(nowMs >= beforeMs && nowMs <= performance.now())
})
