// Listening in both families on a machine that has IPv4 alone.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { makeNetwork, whyNoNamespaces, type Network, type Pod } from './network.ts'

const skip = (await whyNoNamespaces()) ?? false
const program = join(import.meta.dirname, '../../deploy/cli/onbehalf.ts')
const meshText = `issuers: [{issuer: hostOnly, jwks: jwks.json, single_use: true}]
routes: [{name: App, from: https://app.example.com, to: http://127.0.0.1:9, allow_any_authenticated_user: true}]
services: {App: {app: http://127.0.0.1:9, calls: [], admin_token_file: token}}
`
let network: Network<'alone'>
let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onbehalf-no-ipv6-'))
  await writeFile(join(folder, 'jwks.json'), '{"keys": []}')
  await writeFile(join(folder, 'mesh.yaml'), meshText)
  if (skip !== false) return
  network = await makeNetwork(['alone'])
  await network.pods.alone.exec('sysctl', '-w', 'net.ipv6.conf.all.disable_ipv6=1')
})
after(async () => {
  await network?.close()
  await rm(folder, { recursive: true, force: true })
})

interface Line {
  readonly message: string
  readonly [field: string]: unknown
}

/** Runs a sidecar until it listens, or ends before. */
async function start(pod: Pod, ...flags: readonly string[]) {
  const args = [program, 'run', '--config', join(folder, 'mesh.yaml'), '--log-format', 'json', ...flags]
  const uid = process.getuid?.() ?? 0
  const child = pod.start(uid, ['ignore', 'ignore', 'pipe'], process.execPath, ...args)
  const exited = once(child, 'exit')
  const said: string[] = []
  assert.ok(child.stderr)
  for await (const line of createInterface(child.stderr)) {
    said.push(line)
    if (line.includes('"listening"')) break
  }
  child.kill('SIGTERM')
  const lines = said.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Line)
  return { status: (await exited)[0] as unknown, said, lines }
}

test('its addresses are left out with a warning where others of their lists are open', { skip }, async () => {
  const { status, lines, said } = await start(
    network.pods.alone,
    '--listen-inbound=0.0.0.0:15006,[::]:15006',
    '--listen-outbound=127.0.0.1:15001,[::1]:15001',
    '--listen-admin=127.0.0.1:15000',
    '--listen-probes=0.0.0.0:15021,[::]:15021',
  )
  assert.equal(status, 0, said.join('\n'))
  const listening = lines.find(({ message }) => message === 'listening')
  assert.equal(listening?.['outbound'], '127.0.0.1:15001')
  const leftOut = lines.filter(({ message }) => message.includes('no such IPv6 address'))
  assert.ok(leftOut.some(({ listener, address }) => listener === 'outbound' && address === '[::1]:15001'))
})
