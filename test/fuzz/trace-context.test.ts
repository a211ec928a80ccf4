// The trace context, beside OpenTelemetry's reader: our handles leave it under any spelling, and nothing else does.
import assert from 'node:assert/strict'
import { parseTraceParent } from '@opentelemetry/core'
import { readTraceParent, stripHandles } from '../../shared/headers/trace-context.ts'
import { fuzz, type Chance } from './fuzz.ts'
import { mutated } from './mutation.ts'

const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const members = [
  'a=1',
  'onbehalf=h',
  'OnBehalf=h',
  '%6fnbehalf=h;p=1',
  ' onbehalf = h ',
  'onbehalf',
  'b@c=2;p',
  '',
  '%256fnbehalf=h',
  'x-onbehalf=1',
]
const pieces = [...',;=% +\t-_@0fgA\0\x80'.split(''), '%6f', '%20', 'onbehalf']

function anyList(chance: Chance): string {
  const some = Array.from({ length: chance(5) }, () => members[chance(members.length)] as string)
  return mutated(some.join(','), pieces, chance)
}

fuzz('trace-context', { cases: 20_000, atLeast: { outcome: 'a parent, the same', oneIn: 8 } }, (chance) => {
  const list = anyList(chance)
  const { rest } = stripHandles(list)
  assert.deepEqual(stripHandles(rest), { rest, handles: [] }, JSON.stringify(list))
  const before = list.split(',').map((member) => member.trim())
  const left = rest === '' ? [] : rest.split(',').map((member) => member.trim())
  let at = 0
  for (const member of left) {
    at = before.indexOf(member, at) + 1
    assert.ok(at > 0, JSON.stringify({ list, rest }))
  }
  assert.ok(!left.some((member) => /^\s*onbehalf\s*(?:[=;]|$)/i.test(member)), JSON.stringify({ list, rest }))
  const text = mutated(parent, [...pieces, 'ff', '00'], chance)
  const ours = readTraceParent(['traceparent', text])
  if (ours === undefined) return 'no parent'
  const theirs = parseTraceParent(text.trim())
  const { traceId, spanId, isSampled } = ours
  assert.deepEqual(
    { traceId, spanId, isSampled },
    theirs && { traceId: theirs.traceId, spanId: theirs.spanId, isSampled: (theirs.traceFlags & 1) === 1 },
    JSON.stringify(text),
  )
  return 'a parent, the same'
})
