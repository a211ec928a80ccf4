// A request whose connection is still to be found: it stands in for the one that is opened then.
import type { Outgoing, OutgoingEvents } from './outgoing.ts'
import type { Refusal } from '../../shared/errors.ts'
import { StandInOutgoing } from './stand-in-outgoing.ts'

/** A connection that was found. One of the two is to be called. */
export interface Found {
  /** @throws what cannot be sent. */
  open(events: OutgoingEvents): Outgoing
  /** It is not needed any more. */
  drop(): void
}

export class LateOutgoing extends StandInOutgoing {
  /** @param asRefusal what becomes of a request for which there is none. */
  constructor(finding: Promise<Found>, events: OutgoingEvents, asRefusal: (error: unknown) => Refusal) {
    super()
    finding
      .then((found) => {
        if (this.isAbandoned) found.drop()
        else this.opened = found.open(events)
      })
      .catch((error: unknown) => {
        if (!this.isAbandoned) events.onFailure(asRefusal(error))
      })
  }
}
