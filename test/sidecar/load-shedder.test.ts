// When load is shed, which requests are refused then, and when it is over.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crowd, LoadShedder } from '../../sidecar/load-shedder.ts'

const delayMs = 50
/** What a turn is held at while load is shed. */
const heldMs = 1
const requestMs = 0.125
const refusalMs = 2 ** -5

/** An event loop whose turns, work and idle times are as the test has them. */
function makeLoop() {
  const at = { turn: 0, nowMs: 1_000, idleMs: 500, cpuMs: 300 }
  const changes: boolean[] = []
  const shedder = new LoadShedder({
    loop: { turn: () => at.turn, idleMs: () => at.idleMs, cpuMs: () => at.cpuMs },
    onChange: (isShedding) => changes.push(isShedding),
  })
  const work = (ms: number) => {
    at.nowMs += ms
    at.cpuMs += ms
  }
  const asks = {
    request: (connection: object) => shedder.refusesRequest(at.nowMs, delayMs, connection),
    call: (connection: object) => shedder.refusesCall(at.nowMs, delayMs, connection),
  }
  const ask = (count: number, kind: keyof typeof asks, connection?: object) =>
    Array.from({ length: count }, () => {
      const isRefused = asks[kind](connection ?? {})
      work(isRefused ? refusalMs : requestMs)
      return isRefused
    })
  return {
    shedder,
    changes,
    at,
    work,
    /** Nothing is to be done for so long. */
    idle(ms: number) {
      at.nowMs += ms
      at.idleMs += ms
    },
    /** On no core for so long. */
    halt(ms: number) {
      at.nowMs += ms
    },
    /** One turn with so many requests, each of which takes its time where it is admitted. @returns whether each was refused. */
    turn(count: number, kind: keyof typeof asks = 'request'): boolean[] {
      at.turn++
      return ask(count, kind)
    },
    /** More of them in the same turn; on one connection, or each on its own. */
    rest: (count: number, connection?: object) => ask(count, 'request', connection),
  }
}

const refusedOf = (answers: readonly boolean[]) => answers.filter(Boolean).length
const admittedOf = (answers: readonly boolean[]) => answers.length - refusedOf(answers)
/** What 100 ms of work are. */
const burst = 800

/** Until load is shed. @returns how many turns it took. */
function overload(loop: ReturnType<typeof makeLoop>): number {
  let turns = 0
  while (!loop.shedder.isShedding && turns < 10) {
    loop.turn(burst)
    turns++
  }
  return turns
}

test('load is shed when turns in a row were long, from where the next one takes longer than the delay', () => {
  const loop = makeLoop()
  const refused = Array.from({ length: 3 }, () => loop.turn(burst))
  assert.deepEqual(refused.slice(0, -1).map(refusedOf), [0, 0])
  const taken = delayMs / requestMs + burst / 8 + 2
  assert.deepEqual(
    refused[2],
    Array.from({ length: burst }, (_, i) => i >= taken),
  )
  assert.deepEqual(loop.changes, [true])
})

test('turns that do not reach the delay shed nothing, however many there are', () => {
  const loop = makeLoop()
  const count = delayMs / requestMs - 1
  for (let i = 0; i < 1_000; i++) assert.equal(refusedOf(loop.turn(count)), 0)
})

test('fewer requests than a crowd in each turn shed nothing, however long each takes', () => {
  const loop = makeLoop()
  for (let i = 0; i < 100; i++) {
    loop.turn(1)
    loop.work(100)
    assert.equal(refusedOf(loop.rest(248)), 0)
  }
})

test('a burst that comes to its end sheds nothing, be it as large as it may', () => {
  const loop = makeLoop()
  for (let i = 0; i < 10; i++) {
    assert.equal(refusedOf(loop.turn(5_000)), 0)
    assert.equal(refusedOf(loop.turn(burst)), 0)
    loop.idle(0.01)
  }
})

test('what is not work sheds nothing: a process that was stopped, or others that had the core', () => {
  const loop = makeLoop()
  for (let i = 0; i < 20; i++) {
    loop.idle(1)
    for (let j = 0; j < 2; j++) loop.turn(burst)
    loop.turn(crowd)
    loop.halt(5_000)
    assert.equal(refusedOf(loop.rest(10)), 0)
  }
})

test('turns in which the core was not had are not long', () => {
  const loop = makeLoop()
  for (let i = 0; i < 20; i++) {
    for (let j = 0; j < 6; j++) {
      loop.turn(1)
      loop.halt(5_000)
    }
    assert.equal(refusedOf(loop.turn(burst)), 0)
  }
})

test('while load is shed, what is not work refuses nothing more', () => {
  const loop = makeLoop()
  overload(loop)
  for (let i = 0; i < 5; i++) {
    loop.work(20)
    loop.idle(0.5)
    loop.turn(1)
    loop.halt(50)
    assert.equal(refusedOf(loop.rest(2)), 0)
  }
  assert.equal(loop.shedder.isShedding, true)
})

test('one short turn between long ones, or a moment of idleness, begins the count anew', () => {
  const loop = makeLoop()
  for (let i = 0; i < 20; i++) {
    loop.turn(delayMs / requestMs)
    for (let j = 0; j < 2; j++) assert.equal(refusedOf(loop.turn(burst)), 0)
  }
  for (let i = 0; i < 20; i++) {
    loop.idle(0.001)
    for (let j = 0; j < 2; j++) assert.equal(refusedOf(loop.turn(burst)), 0)
  }
})

test('a pause within one turn sheds nothing, be the loop as busy as it may', () => {
  const loop = makeLoop()
  for (let i = 0; i < 100; i++) {
    loop.turn(crowd)
    loop.work(i % 2 === 0 ? 500 : 0)
    assert.equal(refusedOf(loop.rest(50)), 0)
  }
})

test('while load is shed a turn admits what it is held at, from its first request on', () => {
  const loop = makeLoop()
  overload(loop)
  for (let i = 0; i < 20; i++) {
    loop.turn(1)
    const answers = loop.turn(burst)
    assert.equal(answers[0], false)
    assert.equal(admittedOf(answers), heldMs / requestMs + 1)
    assert.equal(refusedOf(loop.turn(3)), 0)
  }
})

test('while load is shed a turn behind a moment of idleness admits a fifth of the delay', () => {
  const loop = makeLoop()
  overload(loop)
  for (let i = 0; i < 20; i++) {
    loop.idle(0.01)
    assert.equal(admittedOf(loop.turn(burst)), delayMs / 5 / requestMs + 1)
  }
})

test('who comes back at once when refused is admitted for an eighth of the time, and load is shed on', () => {
  const loop = makeLoop()
  overload(loop)
  loop.idle(0.01)
  const turns = Array.from({ length: 20 }, () => loop.turn(1_000))
  const settled = turns.slice(10)
  const admitted = settled.reduce((sum, answers) => sum + admittedOf(answers), 0)
  const workMs = admitted * requestMs
  const refusalsMs = (settled.length * 1_000 - admitted) * refusalMs
  const share = workMs / (workMs + refusalsMs)
  assert.ok(Math.abs(share - 1 / 8) < 0.01, `${share}`)
  assert.deepEqual(loop.changes, [true])
})

test('while load is shed one connection gets half of what a turn takes in, however many requests it brings', () => {
  const loop = makeLoop()
  overload(loop)
  const half = heldMs / 2 / requestMs + 1
  for (let i = 0; i < 20; i++) {
    loop.turn(1)
    loop.at.turn++
    assert.equal(admittedOf(loop.rest(1_000, loop)), half)
    const others = admittedOf(loop.rest(10))
    assert.equal(others, heldMs / requestMs + 1 - half)
    loop.at.turn++
    assert.equal(admittedOf(loop.rest(2)), 2)
    assert.ok(admittedOf(loop.rest(1_000, loop)) > 0)
  }
})

test('while load is shed the app may call until the whole delay is over', () => {
  const loop = makeLoop()
  overload(loop)
  assert.equal(refusedOf(loop.turn(delayMs / requestMs, 'call')), 0)
  assert.ok(refusedOf(loop.turn(burst, 'call')) > 0)
})

test('it sheds no more once the loop is idle for a tenth of the time, and not before', () => {
  const loop = makeLoop()
  overload(loop)
  for (let i = 0; i < 50; i++) {
    loop.turn(40)
    loop.work(9)
    loop.idle(0.9)
  }
  assert.deepEqual(loop.changes, [true])
  for (let i = 0; i < 50; i++) {
    loop.turn(1)
    loop.work(5)
    loop.idle(2)
    // Others have the core.
    loop.halt(30)
  }
  assert.deepEqual(loop.changes, [true, false])
  assert.equal(refusedOf(loop.turn(burst)), 0)
})

test('where requests are refused, it sheds on until the loop is idle for half of the time', () => {
  const loop = makeLoop()
  overload(loop)
  for (let i = 0; i < 200; i++) {
    assert.ok(refusedOf(loop.turn(200)) > 0)
    loop.idle(5)
  }
  assert.deepEqual(loop.changes, [true])
  for (let i = 0; i < 50; i++) {
    loop.turn(200)
    loop.idle(20)
  }
  assert.deepEqual(loop.changes, [true, false])
})

test('it ends also where no more requests come', () => {
  const loop = makeLoop()
  overload(loop)
  loop.shedder.look(loop.at.nowMs)
  assert.equal(loop.shedder.isShedding, true)
  // Too short to tell.
  loop.idle(200)
  loop.shedder.look(loop.at.nowMs)
  assert.equal(loop.shedder.isShedding, true)
  loop.idle(1_000)
  loop.shedder.look(loop.at.nowMs)
  assert.deepEqual([loop.shedder.isShedding, loop.changes], [false, [true, false]])
})

test('without a delay nothing is ever shed', () => {
  const loop = makeLoop()
  for (let i = 0; i < 20; i++) {
    loop.at.turn++
    assert.equal(loop.shedder.refusesRequest(loop.at.nowMs, 0, loop), false)
    loop.work(1_000)
    assert.equal(loop.shedder.refusesRequest(loop.at.nowMs, 0, loop), false)
  }
})
