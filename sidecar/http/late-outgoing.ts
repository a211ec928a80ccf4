// A request whose connection is still to be found: it stands in for the one that is opened then.
import type { Trailers } from './incoming.ts'
import type { Outgoing, OutgoingEvents } from './outgoing.ts'
import type { Refusal } from '../../shared/errors.ts'

/** A connection that was found. One of the two is to be called. */
export interface Found {
  /** @throws what cannot be sent. */
  open(events: OutgoingEvents): Outgoing
  /** It is not needed any more. */
  drop(): void
}

export class LateOutgoing implements Outgoing {
  #opened: Outgoing | undefined
  #isAbandoned = false

  /** @param asRefusal what becomes of a request for which there is none. */
  constructor(finding: Promise<Found>, events: OutgoingEvents, asRefusal: (error: unknown) => Refusal) {
    finding
      .then((found) => {
        if (this.#isAbandoned) found.drop()
        else this.#opened = found.open(events)
      })
      .catch((error: unknown) => {
        if (!this.#isAbandoned) events.onFailure(asRefusal(error))
      })
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

  abandon(isLate?: boolean): void {
    this.#isAbandoned = true
    this.#opened?.abandon(isLate)
  }
}
