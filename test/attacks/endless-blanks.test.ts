// The attacker fills a header with blanks, and wants whoever trims it by trying every place to begin to be busy for long.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maxViaLength } from '../../shared/evidence/evidence.ts'
import { splitVia } from '../../shared/evidence/verify.ts'
import { readHeaders } from '../../sidecar/cli/verify-chain-input.ts'

/** What takes milliseconds; tried in quadratic time it takes several times as long on any machine. */
const boundMs = 5_000

function assertQuick(act: () => unknown): void {
  const startedMs = performance.now()
  act()
  assert.ok(performance.now() - startedMs < boundMs)
}

test('blanks between two words in the evidence cost no time', () => {
  const blanks = ' '.repeat(maxViaLength - 2)
  assertQuick(() => {
    for (let i = 0; i < 8; i++) assert.deepEqual(splitVia(`a${blanks}b`, 8), [`a${blanks}b`])
  })
})

test('blanks in a captured header cost no time, whatever stands behind them', () => {
  const token = 'X-Pomerium-Jwt-Assertion-For: a.b.c'
  for (const end of ['b', '\u2028b']) {
    const value = `a${' '.repeat(6_000)}${end}`
    assertQuick(() => {
      for (let i = 0; i < 8; i++) {
        const { via } = readHeaders(`x-onbehalf-via:${' '.repeat(6_000)}${value}  \n${token}`)
        assert.equal(via, value)
      }
    })
  }
})
