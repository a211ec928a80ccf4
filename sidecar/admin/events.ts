// `GET /events`: the state of the sidecar each second, and its decisions as they are made, as server-sent events.
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Decision } from '../../shared/decision.ts'
import { stepsOf } from '../../shared/steps.ts'
import { securityHeaders } from './security-headers.ts'
import type { DecisionEvent, ServiceState } from './page/protocol.ts'

export interface EventSource {
  /** @param unsentDecisions of this stream. */
  state(unsentDecisions: number): ServiceState
  /** The last decisions, newest first. */
  recent(): readonly Decision[]
  /** @returns what ends it. */
  watch(watcher: (decision: Decision) => void): () => void
}

const intervalMs = 1_000
/** A page that draws more cannot be read by anybody. */
const maxDecisionsPerSecond = 50
const maxBacklog = 100
/** What a page does not take is not kept for it. */
const maxQueuedBytes = 1024 * 1024
const maxStreams = 8

function eventOf(decision: Decision): DecisionEvent {
  return { ...decision, steps: stepsOf(decision) }
}

export class EventStreams {
  readonly #source: EventSource
  readonly #spare: (socket: Socket) => void
  readonly #streams = new Set<ServerResponse>()

  /** @param spare keeps a connection open, whoever else comes. */
  constructor(source: EventSource, spare: (socket: Socket) => void) {
    this.#source = source
    this.#spare = spare
  }

  /** @returns false where there are too many already. */
  open(response: ServerResponse): boolean {
    if (this.#streams.size >= maxStreams) return false
    this.#streams.add(response)
    if (response.socket !== null) this.#spare(response.socket)
    response.writeHead(200, { ...securityHeaders, 'content-type': 'text/event-stream; charset=utf-8' })
    let sentInSecond = 0
    let unsent = 0
    const send = (event: string, data: unknown) => {
      if (response.writableLength > maxQueuedBytes) return false
      response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
      return true
    }
    const tick = () => {
      sentInSecond = 0
      send('state', this.#source.state(unsent))
    }
    tick()
    for (const decision of this.#source.recent().slice(0, maxBacklog).reverse())
      send('decision', eventOf(decision))
    const endWatch = this.#source.watch((decision) => {
      if (sentInSecond++ >= maxDecisionsPerSecond || !send('decision', eventOf(decision))) unsent++
    })
    const timer = setInterval(tick, intervalMs)
    response.once('close', () => {
      clearInterval(timer)
      endWatch()
      this.#streams.delete(response)
    })
    return true
  }
}
