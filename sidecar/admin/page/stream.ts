// Keeps the stream of events: connects, reads, and connects again when it ends.
import { ask } from './ask.ts'
import { pauseAfter } from './pauses.ts'
import type { DecisionEvent, ServiceState } from './protocol.ts'
import { EventReader, type ServerEvent } from './sse.ts'
import type { Token } from './token.ts'

export interface Listener {
  onState(state: ServiceState): void
  onDecision(decision: DecisionEvent): void
  onConnected(): void
  /** @param againMs after which it is tried again. */
  onLost(why: string, againMs: number): void
}

/** A sidecar says something each second: one that says nothing for so long is gone, whatever the connection says. */
const silenceMs = 15_000

/** Until there is no token that could be tried. */
export async function listen(token: Token, listener: Listener): Promise<void> {
  let inVain = 0
  for (;;) {
    const { why, heard } = await listenOnce(token, listener)
    if (why === undefined) return
    inVain = heard ? 0 : inVain + 1
    const pauseMs = pauseAfter(inVain)
    listener.onLost(why, pauseMs)
    await new Promise((resolve) => {
      setTimeout(resolve, pauseMs)
    })
  }
}

/** @returns why it ended, undefined where the token is wrong; and whether anything came. */
async function listenOnce(
  token: Token,
  listener: Listener,
): Promise<{ readonly why: string | undefined; readonly heard: boolean }> {
  const leave = new AbortController()
  const reply = await ask(token, '/events', { signal: leave.signal })
  if (reply.kind === 'token') return { why: undefined, heard: false }
  if (reply.kind === 'fault') return { why: reply.message, heard: false }
  listener.onConnected()
  let heard = false
  const read = (events: readonly ServerEvent[]) => {
    heard ||= events.length > 0
    for (const event of events) pass(event, listener)
  }
  try {
    await readAll(reply.response, leave, read)
    return { why: 'the stream ended', heard }
  } catch (error) {
    return { why: error instanceof Error ? error.message : 'unknown error', heard }
  }
}

async function readAll(
  { body }: Response,
  leave: AbortController,
  read: (events: readonly ServerEvent[]) => void,
): Promise<void> {
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader()
  const events = new EventReader()
  for (;;) {
    const timer = setTimeout(() => leave.abort(new Error('nothing was heard for too long')), silenceMs)
    const part = await reader?.read().finally(() => clearTimeout(timer))
    if (part === undefined || part.done) return
    read(events.read(part.value))
  }
}

function pass({ name, data }: ServerEvent, listener: Listener): void {
  if (name === 'state') listener.onState(JSON.parse(data) as ServiceState)
  else if (name === 'decision') listener.onDecision(JSON.parse(data) as DecisionEvent)
}
