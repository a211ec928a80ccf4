// What becomes of a request whose side has a fault of its own.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeDecision, type Decision } from '../../shared/decision.ts'
import { Admission, handle, type Side } from '../../sidecar/exchange.ts'
import type { Incoming } from '../../sidecar/http/incoming.ts'
import type { Recorder } from '../../sidecar/telemetry/recorder.ts'
import { clockMs } from '../support/certificates.ts'
import { meshOf } from '../support/tokens.ts'

test('a fault of our own is told to the log alone, before the request was looked at too', async () => {
  const decided: Decision[] = []
  const answers: string[] = []
  const mesh = meshOf()
  const faults: unknown[] = []
  const recorder = {
    decided: (decision: Decision) => decided.push(decision),
    ended: () => undefined,
    fault: (...fault: unknown[]) => faults.push(fault),
  }
  const error = new TypeError('it is not there')
  const side: Side = {
    name: 'test',
    admission: new Admission(),
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
      throw error
    },
  }
  const incoming = {
    head: { method: 'GET', target: '/', headers: ['Host', 'localhost'] },
    version: '1.1',
    connection: { peer: '192.0.2.1', isTls: false },
    reply: { hasBegun: false, isGone: false, send: (_head: unknown, body: string) => answers.push(body) },
    refuseUnserved: () => undefined,
  } as unknown as Incoming
  await handle(side, incoming)
  assert.deepEqual(
    decided.map(({ code, detail }) => [code, detail]),
    [['overloaded', 'it is not there']],
  )
  assert.deepEqual(faults, [['request', error]])
  assert.equal(answers.length, 1)
  assert.doesNotMatch(answers[0] ?? '', /it is not there/)
})
