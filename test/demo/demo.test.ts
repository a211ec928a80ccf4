// The demo as a user and as CI run it, against the built sidecar.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { portsLeftOpen, runDemo, startDemo } from './run-demo.ts'

// Three starts of 15 s at most, and the time to stop.
const timeout = 90_000

test(
  'with CI=1 every chain and every attack is as expected, and nothing stays behind',
  { timeout },
  async () => {
    const { status, output, errors } = await runDemo({ CI: '1' })
    assert.equal(status, 0, output + errors)
    assert.match(output, /All as expected\./)
    assert.match(
      output,
      /alice +Ledger +ledger-access +alice@companydomain\.com +api-access, ledger-access +20 of 20 +ok/,
    )
    assert.match(
      output,
      /bob +Ledger +ledger-access +bob@companydomain\.com +api-access, ledger-access +20 of 20 +ok/,
    )
    assert.match(output, /App calls API +handle +40 of 40 +ok/)
    assert.match(output, /API calls Ledger +handle +40 of 40 +ok/)
    assert.equal(output.match(/ ok$/gm)?.length, 6 + 2 + 20)
    assert.equal(output.includes('\u001B'), false)
    assert.deepEqual(await portsLeftOpen(output), [])
  },
)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`without CI it stays up until ${signal}, then stops everything`, { timeout }, async () => {
    const demo = startDemo({ CI: '' })
    let output = ''
    for await (const part of demo.stdout.setEncoding('utf8')) {
      output += part
      if (output.includes('Ctrl-C stops everything')) demo.kill(signal)
    }
    if (demo.exitCode === null) await once(demo, 'exit')
    assert.equal(demo.exitCode, 0, output)
    assert.match(output, /curl -s -b _pomerium=alice/)
    assert.deepEqual(await portsLeftOpen(output), [])
  })
}

test('a store that there is not is wrong use', { timeout }, async () => {
  const { status, output, errors } = await runDemo({ CI: '1', STORE: 'etcd' })
  assert.deepEqual([status, output], [2, ''])
  assert.equal(errors, 'STORE is "etcd": give redis, or memory, which is the default\n')
})
