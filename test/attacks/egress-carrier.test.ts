// The attacker makes the app call an address of its own host that no interface in use shows, such as that of a bridge to no container, and wants to reach around a sidecar.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { startMesh, type TestMesh } from '../support/mesh.ts'
import { callEachWay } from './attack.ts'

/** In a network of its own, for what it needs changes the network. */
const isInside = process.env['NETWORK_OF_ITS_OWN'] === 'yes'
const alone = ['--map-root-user', '--net']
const skip =
  !isInside && spawnSync('unshare', [...alone, 'ip', 'link']).status !== 0
    ? 'needs networks of its own (unshare, ip)'
    : false

/** An interface that is up without a carrier, one that is down, and a network that is routed to this host. */
const network = `
  ip link set lo up
  ip link add up0 type veth peer name up1 && ip link add down0 type veth peer name down1
  ip addr add 172.18.0.1/16 dev up0 && ip -6 addr add fd98::1/64 dev up0 nodad && ip link set up0 up
  ip addr add 172.19.0.1/16 dev down0 && ip link set down0 up && ip link set down0 down
  ip route add local 198.18.0.0/24 dev lo`
const own = ['172.18.0.1', '[fd98::1]', '[::ffff:172.18.0.1]', '172.19.0.1', '198.18.0.7']

/** As transparent proxies have it: for marked packets alone this host is everybody. */
const transparent = `
  for v in -4 -6; do
    ip $v rule add fwmark 1 lookup 100
    ip $v route add local default dev lo table 100
  done`

/** This file once more, in a network of its own. */
async function runInside(): Promise<void> {
  const script = `${network}\n${transparent}\nexec "$@"`
  const command = [process.execPath, import.meta.filename]
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const child = spawn('unshare', [...alone, 'sh', '-ec', script, 'sh', ...command], {
    env: { ...env, NETWORK_OF_ITS_OWN: 'yes' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  })
  let said = ''
  for (const output of [child.stdout, child.stderr]) output.on('data', (part) => (said += String(part)))
  const [status] = (await once(child, 'close')) as [number | null]
  assert.equal(status, 0, said)
}

/** The service API's sidecar is not to be reached around by way of App's. */
async function assertDenied(mesh: TestMesh): Promise<void> {
  for (const host of own) {
    const answers = await callEachWay(mesh, host, mesh.apps.API.port)
    assert.deepEqual(answers, ['egress_denied', 'egress_denied', 'egress_denied'], host)
  }
  assert.equal(mesh.apps.API.received.length, 0)
}

test('an address that no interface in use shows is one of this host all the same', { skip }, async (t) => {
  if (!isInside) {
    await runInside()
    return
  }
  const shown = Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])
  assert.deepEqual(
    shown.filter(({ internal }) => !internal),
    [],
  )
  await assertDenied(await startMesh(t, { run: ['App'] }))
})

test('nobody else is taken for this host', { skip }, async (t) => {
  // What is run inside runs this one, too.
  if (!isInside) return
  const mesh = await startMesh(t, { run: ['App'] })
  for (const host of ['203.0.113.1', '[2001:db8::1]']) {
    for (const answer of await callEachWay(mesh, host, 80)) assert.equal(answer, 'upstream_refused', host)
  }
})

test("none leads to the sidecar's own ports, though local calls are allowed", { skip }, async (t) => {
  if (!isInside) return
  const mesh = await startMesh(t, { run: ['App'], settings: { egress: { local: 'allow' } } })
  const { inbound, outbound, admin, probes } = mesh.sidecars.App
  for (const host of own) {
    for (const port of [inbound, outbound, admin, probes]) {
      const answers = await callEachWay(mesh, host, port)
      assert.deepEqual(answers, ['route_not_found', 'route_not_found', 'route_not_found'], `${host}:${port}`)
    }
  }
})
