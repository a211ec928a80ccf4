// Upstreams that fail, in each version and on each way: what the client is told, what is sent again, and that nothing stays.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { suite, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from '../support/eventually.ts'
import { send } from '../support/client.ts'
import { startHole } from '../support/hole.ts'
import { faults, startFaultProxy, type Fault, type FaultProxy } from './fault-proxy.ts'
import { ask, versions, type Answered, type Version } from './peers.ts'
import { startVersionedApp, type Handler, type VersionedApp } from './versioned-app.ts'
import { startWay, ways, type Ground, type Way } from './ways.ts'

/** Of the sidecar before the upstream; who calls it waits longer than it does. */
const impatient = { connect: '600ms', response: '2500ms', idle: '700ms', linger: '60s', drain: '5s' }
const patient = { ...impatient, connect: '5s', response: '10s', idle: '10s' }

interface Cell extends Ground {
  /** What the upstream speaks. */
  readonly version: Version
  readonly app: VersionedApp
  readonly proxy: FaultProxy
  readonly probes: number
  /** Methods of the requests that arrived. */
  readonly arrived: string[]
}

const schemes: Readonly<Record<Version, string>> = {
  'HTTP/1.1': 'http://127.0.0.1',
  h2c: 'h2c://127.0.0.1',
  h2: 'https://localhost',
}
const servers = { 'HTTP/1.1': 'HTTP/1.1', h2c: 'h2c', h2: 'HTTP/2 alone over TLS' } as const

async function start(t: TestContext, version: Version, way: Way): Promise<Cell> {
  const app = await startVersionedApp(t, servers[version], () => undefined)
  const proxy = await startFaultProxy(t, Number(/\d+$/.exec(app.origin)?.[0]))
  const origin = `${schemes[version]}:${proxy.port}`
  const last = way === 'to the app' ? 'App' : 'API'
  const ground = await startWay(t, way, origin, {
    settings: { timeouts: patient },
    services: { [last]: { app: origin, timeouts: impatient } },
  })
  const { probes } = ground.mesh.sidecars[last]
  return { ...ground, version, app, proxy, probes, arrived: [] }
}

/** What the app does with each request from now on. */
function handle(cell: Cell, handler: Handler): void {
  cell.arrived.length = 0
  cell.app.handler = (request, response) => {
    cell.arrived.push(String(request.method))
    request.on('error', () => undefined)
    return handler(request, response)
  }
}

function asked(
  t: TestContext,
  { to, version }: Pick<Cell, 'to' | 'version'>,
  method: string,
  body?: Readable,
): Promise<Answered> {
  const client = version === 'HTTP/1.1' ? 'HTTP/1.1' : 'h2c'
  return ask(t, client, { ...to, method, path: '/', ...(body && { body }) }).answered
}

/** A status with the code of a refusal, or with the body; or that it broke off. */
async function learned(answered: Promise<Answered>): Promise<string> {
  const { status, headers, body } = await answered
  const received = await text(body).catch(() => undefined)
  if (received === undefined) return 'broken off'
  const code = headers['x-onbehalf-error']
  return `${status} ${typeof code === 'string' ? code : received}`
}

/** Of a connection that failed nothing is held, and no request is under way. */
async function assertNothingStays({ probes, proxy }: Cell): Promise<void> {
  await eventually(async () => {
    const { body } = await send({ port: probes, target: '/metrics' })
    return proxy.open === 0 && /^onbehalf_active_requests\{direction="inbound"\} 0$/m.test(body)
  })
}

/** A body that goes on and on, slowly. */
async function* drip(): AsyncGenerator<string> {
  for (;;) {
    yield 'drop'
    await pause(50)
  }
}

const [reset, refused, invalid, late] = [
  '502 upstream_reset',
  '502 upstream_refused',
  '502 upstream_invalid',
  '504 upstream_timeout',
]

type Outcome = string | Readonly<Record<Version, string>>
type Outcomes = Readonly<Record<Fault, Outcome>>
const outcomeOf = (outcomes: Outcomes, fault: Fault, { version }: Cell): string => {
  const outcome = outcomes[fault]
  return typeof outcome === 'string' ? outcome : outcome[version]
}
/** In HTTP/2 what comes first is settings: without them nobody knows that it is HTTP/2 at all. */
const inHttp1 = (own: string, otherwise: string, inTls = otherwise): Outcome => ({
  'HTTP/1.1': own,
  h2c: otherwise,
  h2: inTls,
})

const checks: Readonly<Record<string, (t: TestContext, cell: Cell, fault: Fault) => Promise<void>>> = {
  async 'before anything has passed'(t, cell, fault) {
    const outcomes: Outcomes = {
      reset: inHttp1(refused, refused),
      end: inHttp1(reset, refused),
      stall: inHttp1(late, refused, late),
      garbage: inHttp1(invalid, invalid, refused),
    }
    handle(cell, () => undefined)
    cell.proxy.onAccept = fault
    const outcome = await learned(asked(t, cell, 'POST', Readable.from(['x'])))
    assert.equal(outcome, outcomeOf(outcomes, fault, cell))
    cell.proxy.onAccept = undefined
    assert.deepEqual(cell.arrived, [])
  },
  async 'in the middle of a request'(t, cell, fault) {
    const outcomes: Outcomes = { reset, end: reset, stall: late, garbage: inHttp1(invalid, reset) }
    handle(cell, (request) => void request.once('data', () => cell.proxy.fail(fault)))
    const outcome = await learned(asked(t, cell, 'POST', Readable.from(drip())))
    assert.equal(outcome, outcomeOf(outcomes, fault, cell))
    assert.deepEqual(cell.arrived, ['POST'])
  },
  async 'before it answers a POST'(t, cell, fault) {
    const outcomes: Outcomes = { reset, end: reset, stall: late, garbage: inHttp1(invalid, reset) }
    handle(cell, async (request) => {
      await text(request)
      cell.proxy.fail(fault)
    })
    const outcome = await learned(asked(t, cell, 'POST', Readable.from(['x'])))
    assert.equal(outcome, outcomeOf(outcomes, fault, cell))
    assert.deepEqual(cell.arrived, ['POST'])
  },
  async 'before it answers a GET, once'(t, cell, fault) {
    const isRepeated =
      fault === 'reset' || fault === 'end' || (fault === 'garbage' && cell.version !== 'HTTP/1.1')
    const outcomes: Outcomes = {
      reset: '200 again',
      end: '200 again',
      stall: late,
      garbage: inHttp1(invalid, '200 again'),
    }
    handle(cell, (_request, response) => {
      if (cell.arrived.length === 1) cell.proxy.fail(fault)
      else response.end('again')
    })
    const outcome = await learned(asked(t, cell, 'GET'))
    assert.equal(outcome, outcomeOf(outcomes, fault, cell))
    assert.equal(cell.arrived.length, isRepeated ? 2 : 1)
    cell.proxy.fail('reset')
  },
  async 'in the middle of its answer'(t, cell, fault) {
    handle(cell, (_request, response) => void response.write('half'))
    const answer = await asked(t, cell, 'GET')
    answer.body.once('data', () => cell.proxy.fail(fault))
    await assert.rejects(text(answer.body))
    assert.deepEqual(cell.arrived, ['GET'])
  },
  async 'between two requests'(t, cell, fault) {
    handle(cell, (_request, response) => void response.end('served'))
    assert.equal(await learned(asked(t, cell, 'GET')), '200 served')
    assert.equal(cell.proxy.open, 1)
    cell.proxy.fail(fault)
    // A POST that goes on a connection of which nobody knows yet that it is dead may have been carried out.
    const isSilent = fault === 'stall'
    if (!isSilent) await eventually(async () => cell.proxy.open === 0)
    const outcome = await learned(asked(t, cell, 'POST', Readable.from(['x'])))
    assert.equal(outcome, isSilent ? late : '200 served')
    assert.deepEqual(cell.arrived, isSilent ? ['GET'] : ['GET', 'POST'])
    cell.proxy.fail('reset')
  },
}

const said = (length: string) => (part: Buffer) =>
  Buffer.from(part.toString('latin1').replace('content-length: 5', `content-length: ${length}`), 'latin1')

// Most of their time is waiting: several at a time.
suite('upstreams that fail', { concurrency: 4 }, () => {
  for (const way of ways) {
    for (const version of versions) {
      test(`an upstream ${way}, which speaks ${version}`, async (t) => {
        const cell = await start(t, version, way)
        for (const [what, check] of Object.entries(checks)) {
          for (const fault of faults) {
            await t.test(`${fault}: ${what}`, { timeout: 20_000 }, async (inner) => {
              await check(inner, cell, fault)
              await assertNothingStays(cell)
            })
          }
        }
      })
    }
  }

  for (const way of ways) {
    test(`an upstream ${way} that says another length than it sends`, async (t) => {
      const cell = await start(t, 'HTTP/1.1', way)
      handle(cell, (_request, response) => {
        response.setHeader('content-length', '5')
        response.end('12345')
      })
      cell.proxy.rewrite = said('3')
      assert.equal(await learned(asked(t, cell, 'GET')), '200 123')
      // What is beyond it is nobody's answer.
      await assertNothingStays(cell)
      cell.proxy.rewrite = said('9')
      assert.equal(await learned(asked(t, cell, 'GET')), 'broken off')
      await assertNothingStays(cell)
      for (const length of ['5x', '-5', '5\r\ncontent-length: 6', '99999999999999999999999']) {
        cell.proxy.rewrite = said(length)
        assert.equal(await learned(asked(t, cell, 'GET')), invalid, length)
        await assertNothingStays(cell)
      }
      cell.proxy.rewrite = (part) => part
      assert.equal(await learned(asked(t, cell, 'GET')), '200 12345')
      cell.proxy.fail('reset')
    })

    for (const version of versions) {
      test(`an upstream ${way}, at ${schemes[version]}, that takes no connection and refuses none`, async (t) => {
        const app = `${schemes[version]}:${await startHole(t)}`
        const { to } = await startWay(t, way, app, {
          settings: { timeouts: { ...patient, connect: '400ms' } },
        })
        assert.equal(await learned(asked(t, { to, version }, 'GET')), late)
      })
    }
  }
})
