// Does the work of one turn of the event loop in stages: heads are read as they come, then all requests are decided, then all go on,
// then all that is to be written is written, each in one row. A signature's verification fills the caches of the core with its own
// tables, and to wake who reads what is written costs most where its core has fallen asleep since the last time: done for one request
// after the other, the same work takes a third more of the CPU.

/** So many wait at most: in a long turn none waits for all the others. */
const mostWaiting = 32

export interface AtTurnEnd {
  onTurnEnd(): void
}

let arriving = Promise.withResolvers<void>()
let arrived = 0
let writing: AtTurnEnd[] = []
/** Since requests were let go on, so that what they write need not wait for another turn. */
let isServing = false

/** Resolves when the heads that came in this turn are read. */
export function headsRead(): Promise<void> {
  const { promise } = arriving
  arrived++
  if (arrived === 1) setImmediate(serve)
  if (arrived === mostWaiting) serve()
  return promise
}

function serve(): void {
  if (arrived === 0) return
  isServing = true
  const { resolve } = arriving
  arriving = Promise.withResolvers()
  arrived = 0
  resolve()
}

/** It is told once, when the requests of the turn went on; what it throws is its own to contain. */
export function atTurnEnd(each: AtTurnEnd): void {
  if (writing.length === mostWaiting) write()
  if (writing.push(each) > 1) return
  // The next tick comes when all promises that wait have gone on.
  if (isServing) process.nextTick(write)
  else setImmediate(write)
}

function write(): void {
  const told = writing
  writing = []
  isServing = false
  for (const each of told) each.onTurnEnd()
}
