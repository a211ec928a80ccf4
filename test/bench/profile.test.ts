// How the bench sums up a CPU profile.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { selfTimes } from './profile.ts'

const node = (id: number, functionName: string, url = '', lineNumber = -1) => ({
  id,
  callFrame: { functionName, url, lineNumber },
})

test('time is summed by function, without idle time, and the largest comes first', () => {
  const profile = {
    nodes: [
      node(1, '(idle)'),
      node(2, 'parse', 'file:///x/dist/onbehalf.cjs', 9),
      node(3, '', 'node:_http_server', 99),
      node(4, 'parse', 'file:///x/dist/onbehalf.cjs', 9), // the same, called from elsewhere
      node(5, 'seldom', 'file:///x/dist/onbehalf.cjs', 19),
    ],
    samples: [1, 2, 3, 4, 5],
    timeDeltas: [500, 20, 50, 60, 10],
  }
  const times = selfTimes(profile, 2)
  assert.deepEqual(
    times.map(({ where }) => where),
    ['parse onbehalf.cjs:10', '(anonymous) node:_http_server:100'],
  )
  assert.deepEqual(
    times.map(({ share }) => Math.round(share * 140)),
    [80, 50],
  )
})
