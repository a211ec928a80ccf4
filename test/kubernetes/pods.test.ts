// The injected demo without a cluster: its pods in network namespaces, with the users, mounts and variables that they state.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { whyNoNamespaces } from '../interception/network.ts'
import { roll, type Rollout } from './node/deployment.ts'
import { rulesIn } from './node/node.ts'
import { startPod, type RunningPod } from './node/pod.ts'
import { audience, serviceNames, startShop, type ShopName } from './shop.ts'

const whyNot = await whyNoNamespaces()
const isSoak = process.env['SOAK'] !== undefined
/** At all services together: a user's request is one at each of them. */
const perSecond = 500
const hop = { calledBy: 'alice-id', onBehalfOf: 'alice@companydomain.com' }

test('the injected demo', { skip: whyNot ?? false }, async (t) => {
  const shop = await startShop(t)
  // One of each, for time's sake; the soak has as many as the manifests say.
  const replicas = isSoak ? shop.replicas : 1
  const rolled = await Promise.all(
    serviceNames.map(
      async (name) =>
        [name, await roll(shop.node, shop.services[name], shop.template(name), replicas)] as const,
    ),
  )
  const rollouts = Object.fromEntries(rolled) as Readonly<Record<ShopName, Rollout>>
  const podOf = (name: ShopName) => rollouts[name].pods[0] as RunningPod
  const visit = (host: string, port: number) =>
    shop.node.agent.tell('visit', { host, port, path: '/orders', audience, user: 'alice', timeoutMs: 10_000 })
  const get = (host: string, port: number, path: string) =>
    shop.node.agent.tell('get', { host, port, path, timeoutMs: 10_000 })
  const carried = async () => {
    const { status, body } = await visit(shop.services.app.address, shop.services.app.port)
    return status === 200 ? (JSON.parse(body) as unknown) : status
  }

  await t.test('a user is carried through all three, by apps that know nothing of it', async () => {
    const next = {
      service: 'API',
      path: '/orders',
      ...hop,
      calledBy: 'api-access',
      chain: 'api-access',
      next: {
        service: 'Ledger',
        path: '/orders',
        ...hop,
        calledBy: 'ledger-access',
        chain: 'api-access, ledger-access',
      },
    }
    assert.deepEqual(await carried(), { service: 'App', path: '/orders', ...hop, chain: '', next })
  })

  await t.test(
    'each runs as the user that the manifest states, and the redirection exempts the sidecar’s alone',
    async () => {
      const pod = podOf('ledger')
      const uidOf = async (name: string) =>
        /^Uid:\s+(\d+)/m.exec(await readFile(`/proc/${pod.container(name).pid}/status`, 'utf8'))?.[1]
      const capabilitiesOf = async (name: string) =>
        /^CapBnd:\s+(\w+)/m.exec(await readFile(`/proc/${pod.container(name).pid}/status`, 'utf8'))?.[1]
      assert.deepEqual([await uidOf('onbehalf'), await uidOf('ledger')], ['15000', '1000'])
      assert.match((await capabilitiesOf('onbehalf')) ?? '', /^0+$/)
      assert.match(await rulesIn(pod.network), /-A ONBEHALF_OUTBOUND .*--uid-owner 15000 -j RETURN/)
    },
  )

  await t.test('the app’s own port is no way around the sidecar, but its probes are asked', async () => {
    const { address } = podOf('app')
    assert.equal((await get(address, 8080, '/healthz')).status, 401)
    assert.equal((await get(address, 15_021, '/app-probes/app/readiness')).status, 200)
    assert.equal((await get(address, 15_021, '/app-probes/app/startup')).status, 404)
  })

  await t.test('a sidecar and an app that die are started again, and the pod serves on', async () => {
    const pod = podOf('api')
    for (const name of ['onbehalf', 'api']) {
      pod.container(name).signal('SIGKILL')
      await eventually(async () => pod.restarts.get(name) === 1 && pod.isReady(), 30_000)
      await eventually(async () => typeof (await carried()) === 'object', 30_000)
    }
  })

  await t.test(`a rolling restart of all three at ${perSecond} requests/s loses none`, async () => {
    const { address, port } = shop.services.app
    const load = {
      host: address,
      port,
      path: '/orders',
      audience,
      perSecond: perSecond / serviceNames.length,
    }
    await shop.node.agent.tell('startLoad', load)
    // At once is the worst; one after the other leaves two cores room to hold the rate.
    if (isSoak) for (const rollout of Object.values(rollouts)) await rollout.restart()
    else await Promise.all(Object.values(rollouts).map((rollout) => rollout.restart()))
    const tally = await shop.node.agent.tell('stopLoad', 500)
    t.diagnostic(JSON.stringify(tally))
    assert.deepEqual(tally.ends, { 200: tally.sent })
    assert.equal(tally.wrongUsers, 0)
    assert.ok(tally.sent > 500, String(tally.sent))
  })

  await t.test(
    'at its end the app is held until the sidecar has drained, and the sidecar outlives it',
    async () => {
      const pod = podOf('app')
      const ended = await pod.end()
      assert.deepEqual(
        ended,
        [
          ['app', 0],
          ['onbehalf', 0],
        ],
        pod.output(),
      )
      assert.match(pod.container('onbehalf').output(), /"draining".*"stopped"/s)
    },
  )

  await t.test('without redirection: by the sidecar’s port, and out by the proxy’s address', async () => {
    const given = { 'onbehalf.dev/intercept': 'none', 'onbehalf.dev/drain-delay': '0s' }
    const pod = await startPod(shop.node, 'plain', shop.template('app', {}, given))
    await pod.becomesReady()
    assert.equal(
      await rulesIn(pod.network),
      '-P PREROUTING ACCEPT\n-P INPUT ACCEPT\n-P OUTPUT ACCEPT\n-P POSTROUTING ACCEPT\n',
    )
    const { status, body } = await visit(pod.address, 15_006)
    assert.equal(status, 200, body)
    assert.match(body, /"service":"Ledger".*"onBehalfOf":"alice@companydomain.com"/)
    assert.deepEqual(await pod.end(), [
      ['app', 0],
      ['onbehalf', 0],
    ])
  })

  await t.test('a classic sidecar is there before the app, and outlives it', async () => {
    const given = { 'onbehalf.dev/sidecar': 'classic', 'onbehalf.dev/drain-delay': '0s' }
    const pod = await startPod(shop.node, 'classic', shop.template('app', {}, given))
    await pod.becomesReady()
    const { status, body } = await visit(pod.address, 8080)
    assert.equal(status, 200, body)
    assert.deepEqual(
      await pod.end(),
      [
        ['app', 0],
        ['onbehalf', 0],
      ],
      pod.output(),
    )
  })
})
