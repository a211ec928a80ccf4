// Clients that leave, and an upstream that ends, while the sidecar still connects: nothing is held, and all are told.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { repeat, startGround, type Way } from './abort-ground.ts'
import { readAnswers } from './answers.ts'
import { startFrozenUpstream } from './frozen-upstream.ts'
import { isLinux } from './resident.ts'
import { scaled } from './soak.ts'
import { talkTo } from './talker.ts'

interface Kind {
  readonly name: string
  readonly way: Way
  readonly bytes: string
}

const get = 'GET / HTTP/1.1\r\n{head}\r\n'
const post = 'POST / HTTP/1.1\r\n{head}'
const kinds: readonly Kind[] = [
  { name: 'a request', way: 'inbound', bytes: get },
  { name: 'an upload', way: 'inbound', bytes: `${post}Content-Length: 100000\r\n\r\nhalf` },
  {
    name: 'an upload that waits for a 100',
    way: 'inbound',
    bytes: `${post}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n`,
  },
  { name: 'pipelined requests', way: 'inbound', bytes: get.repeat(3) },
  { name: 'a call', way: 'outbound', bytes: get },
  { name: 'a tunnel', way: 'outbound', bytes: 'CONNECT 127.0.0.1:{port} HTTP/1.1\r\n{head}\r\n' },
]

test('whoever leaves while the sidecar connects: nothing is held', { skip: !isLinux }, async (t) => {
  const upstream = await startFrozenUpstream(t)
  const ground = await startGround(t, upstream.port)
  const open = async ({ way, bytes }: Kind) => {
    const { port, head } = ground.ways[way]
    const client = await talkTo(port)
    t.after(() => client.leave('RST'))
    client.say(bytes.replaceAll('{head}', head).replaceAll('{port}', String(upstream.port)))
    return client
  }

  for (const kind of kinds) {
    for (const cut of ['FIN', 'RST'] as const) {
      await t.test(`the client of ${kind.name} leaves by ${cut}`, async () => {
        await repeat(scaled(50), async () => {
          const client = await open(kind)
          await ground.untilUnderWay(kind.way, 1)
          assert.equal(client.heard, '')
          client.leave(cut)
        })
        await ground.untilAsBefore()
      })
    }
  }

  await t.test('the upstream ends: all are told that nothing was processed', async () => {
    const clients = await Promise.all(
      Array.from({ length: 60 }, (_, i) => open(kinds[i % kinds.length] as Kind)),
    )
    await ground.untilUnderWay('inbound', 40)
    await ground.untilUnderWay('outbound', 20)
    upstream.kill()
    for (const client of clients) {
      await client.hears((heard) => readAnswers(heard).whole.length > 0, 'a refusal')
      assert.equal(readAnswers(client.heard).whole[0]?.code, 'upstream_refused')
      client.leave('FIN')
    }
    await ground.untilAsBefore()
  })
})
