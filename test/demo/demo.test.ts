// The demo as a user and as CI run it, against the built sidecar.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { text } from 'node:stream/consumers'

const script = path.resolve(import.meta.dirname, '../../deploy/demo/main.ts')
// Three starts of 15 s at most, and the time to stop.
const timeout = 90_000

function startDemo(environment: Readonly<Record<string, string>>) {
  const env: NodeJS.ProcessEnv = { ...process.env, ...environment, FORCE_COLOR: undefined }
  return spawn(process.execPath, [script], { env, stdio: ['ignore', 'pipe', 'pipe'] })
}

async function refuses(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return once(socket, 'connect').then(
    () => (socket.destroy(), false),
    () => true,
  )
}

/** The ports of the drawing and of the curl lines that something still listens on. */
async function portsLeftOpen(output: string): Promise<number[]> {
  const ports = [...new Set(output.match(/(?<=:)\d{5}/g))].map(Number)
  assert.ok(ports.length >= 7, 'the output names the ports')
  const open: number[] = []
  for (const port of ports) if (!(await refuses(port))) open.push(port)
  return open
}

test(
  'with CI=1 every chain and every attack is as expected, and nothing stays behind',
  { timeout },
  async () => {
    const demo = startDemo({ CI: '1' })
    const [output, errors] = await Promise.all([text(demo.stdout), text(demo.stderr), once(demo, 'exit')])
    assert.equal(demo.exitCode, 0, output + errors)
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
