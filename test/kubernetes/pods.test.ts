// The injected demo without a cluster: its pods in network namespaces, with the users, mounts and variables that they state.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whyNoNamespaces } from '../interception/network.ts'
import { roll } from './node/deployment.ts'
import { audience, serviceNames, startShop } from './shop.ts'

const whyNot = await whyNoNamespaces()
/** At all services together: a user's request is one at each of them. */
const perSecond = Number(process.env['RATE'] ?? 500)

test(
  'the injected demo: traffic, probes, and a rolling restart of all three under load that loses nothing',
  { skip: whyNot ?? false },
  async (t) => {
    const shop = await startShop(t)
    const { node, services } = shop
    const rollouts = await Promise.all(
      serviceNames.map((name) => roll(node, services[name], shop.template(name), shop.replicas)),
    )
    const entry = { host: services.app.address, port: services.app.port, path: '/orders' }

    await t.test('a user is carried through all three', async () => {
      const { status, body } = await node.agent.tell('visit', {
        ...entry,
        audience,
        user: 'alice',
        timeoutMs: 5_000,
      })
      assert.equal(status, 200, body)
      console.log(body)
    })

    await t.test(`a rolling restart of all three at ${perSecond} requests/s`, async () => {
      await node.agent.tell('startLoad', { ...entry, audience, perSecond: perSecond / serviceNames.length })
      await Promise.all(rollouts.map((rollout) => rollout.restart()))
      const tally = await node.agent.tell('stopLoad', 500)
      t.diagnostic(JSON.stringify(tally))
      assert.deepEqual(tally.ends, { 200: tally.sent })
      assert.equal(tally.wrongUsers, 0)
    })
    await Promise.all(rollouts.map((rollout) => rollout.close()))
  },
)
