// A request whose connection is still to be found: it stands in for the one that is opened then.
import type { Trailers } from './incoming.ts'
import type { Outgoing, OutgoingEvents } from './outgoing.ts'
import type { Refusal } from '../../shared/errors.ts'

export class LateOutgoing implements Outgoing {
  #opened: Outgoing | undefined
  #isAbandoned = false

  /**
   * @param opening opens it; not awaited any more where the request was abandoned meanwhile.
   * @param asRefusal why it could not be opened.
   */
  constructor(
    opening: Promise<(events: OutgoingEvents) => Outgoing>,
    events: OutgoingEvents,
    asRefusal: (error: unknown) => Refusal,
  ) {
    opening.then(
      (open) => {
        this.#opened = open(events)
        if (this.#isAbandoned) this.#opened.abandon()
      },
      (error: unknown) => {
        if (!this.#isAbandoned) events.onFailure(asRefusal(error))
      },
    )
  }

  get isEnded(): boolean {
    return this.#opened?.isEnded === true
  }

  write(chunk: Buffer): boolean {
    return this.#opened?.write(chunk) ?? false
  }

  onDrain(listener: () => void): void {
    this.#opened?.onDrain(listener)
  }

  offDrain(listener: () => void): void {
    this.#opened?.offDrain(listener)
  }

  end(trailers: Trailers): void {
    this.#opened?.end(trailers)
  }

  abandon(): void {
    this.#isAbandoned = true
    this.#opened?.abandon()
  }
}
