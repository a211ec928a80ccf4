// Whoever leaves, and at whatever stage of an exchange: the other side is told, and nothing is held for either.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectWarnings, repeat, startGround } from './abort-ground.ts'
import { abortRows } from './abort-rows.ts'
import { readAnswers } from './answers.ts'
import { breakOff, startUpstream } from './break-off.ts'
import { scaled } from './soak.ts'
import { talkTo } from './talker.ts'

test('whoever leaves: the other is told, and nothing is held', async (t) => {
  const warnings = collectWarnings(t)
  const upstream = await startUpstream(t)
  const ground = await startGround(t, upstream.port)
  for (const { way, stage, who, cut } of abortRows) {
    await t.test(`${way}: the ${who} leaves by ${cut} ${stage.name}`, async () => {
      await repeat(scaled(50), () => breakOff({ upstream, ...ground.ways[way], stage, who, cut }))
      upstream.closeAll()
      await ground.untilAsBefore()
    })
  }
  assert.deepEqual(warnings, [])
})

test('a client that stays on its connection while upstreams leave gets an answer each time', async (t) => {
  const warnings = collectWarnings(t)
  const upstream = await startUpstream(t)
  const { ways, untilAsBefore } = await startGround(t, upstream.port)
  for (const { port, head } of Object.values(ways)) {
    const client = await talkTo(port)
    for (let i = 1; i <= scaled(200); i++) {
      upstream.onTrial.set('0', (connection) => connection.leave(i % 2 === 0 ? 'FIN' : 'RST'))
      client.say(
        `POST /trial/0 HTTP/1.1\r\n${head}Content-Length: 0\r\n\r\nGET /whole/0 HTTP/1.1\r\n${head}\r\n`,
      )
      await client.hears((heard) => readAnswers(heard).whole.length === 2 * i, `answer ${i}`)
      upstream.closeAll()
    }
    const { whole } = readAnswers(client.heard)
    assert.deepEqual(
      whole.map(({ code }) => code),
      whole.map((_, i) => (i % 2 === 0 ? 'upstream_reset' : '')),
    )
    client.leave('FIN')
  }
  await untilAsBefore()
  assert.deepEqual(warnings, [])
})

test('one connection to the upstream serves one client after the other', async (t) => {
  const warnings = collectWarnings(t)
  const upstream = await startUpstream(t)
  const { ways, untilAsBefore } = await startGround(t, upstream.port)
  for (const { port, head } of Object.values(ways)) {
    const before = upstream.connectionCount()
    for (let i = 0; i < scaled(200); i++) {
      const client = await talkTo(port)
      client.say(`GET /whole/0 HTTP/1.1\r\n${head}\r\n`)
      await client.hears((heard) => heard.endsWith('first'), 'the answer')
      client.leave(i % 2 === 0 ? 'FIN' : 'RST')
    }
    assert.ok(upstream.connectionCount() - before < 10, `${upstream.connectionCount() - before} connections`)
  }
  upstream.closeAll()
  await untilAsBefore()
  assert.deepEqual(warnings, [])
})
