// Says things to who cannot see them, politely: what is refused, and what came of a button.
import type { DecisionEvent } from './protocol.ts'
import { byId, say } from './elements.ts'
import { count } from './words.ts'

export function announce(text: string): void {
  say(byId('announcement'), text)
}

/** Nobody can listen to each of many: the first is told at once, then how many there were. */
const togetherMs = 5_000

let waiting: string[] | undefined

export function announceRefused(from: string, to: string, { code, method, path }: DecisionEvent): void {
  const text = `Refused: ${code ?? 'no code'}, ${from} to ${to}, ${method} ${path}`
  if (waiting !== undefined) {
    waiting.push(text)
    return
  }
  announce(text)
  waiting = []
  setTimeout(announceWaiting, togetherMs)
}

function announceWaiting(): void {
  const texts = waiting ?? []
  waiting = undefined
  const last = texts.at(-1)
  if (last === undefined) return
  announce(texts.length === 1 ? last : `${count(texts.length, 'more request')} refused. The last: ${last}`)
  waiting = []
  setTimeout(announceWaiting, togetherMs)
}
