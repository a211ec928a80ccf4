// Stands in for a request to an upstream while it is still to be opened.
import type { Trailers } from './incoming.ts'
import type { Outgoing } from './outgoing.ts'

export abstract class StandInOutgoing implements Outgoing {
  protected opened: Outgoing | undefined
  protected isAbandoned = false

  get isEnded(): boolean {
    return this.opened?.isEnded === true
  }

  write(chunk: Buffer): boolean {
    return this.opened?.write(chunk) ?? false
  }

  onDrain(listener: () => void): void {
    this.opened?.onDrain(listener)
  }

  offDrain(listener: () => void): void {
    this.opened?.offDrain(listener)
  }

  end(trailers: Trailers): void {
    this.opened?.end(trailers)
  }

  abandon(isLate?: boolean): void {
    this.isAbandoned = true
    this.opened?.abandon(isLate)
  }
}
