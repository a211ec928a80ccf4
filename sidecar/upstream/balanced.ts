// A request to one of several addresses: where one takes no connection it goes to the next, for nothing was sent yet.
import type { Refusal } from '../../shared/errors.ts'
import { startTimer, timedOut } from '../http/failures.ts'
import type { Sent } from '../http/forwarding.ts'
import type { Answer, Outgoing, OutgoingEvents } from '../http/outgoing.ts'
import { StandInOutgoing } from '../http/stand-in-outgoing.ts'
import type { Granted } from '../http/upgrade.ts'
import type { Balancer, Choice } from './balancer.ts'
import { wantsOtherProtocol } from './dial.ts'

/** Milliseconds that an address may take to be connected, where there is another to go to. */
const impatienceMs = 1_000

type Open = (sent: Sent, events: OutgoingEvents) => Outgoing

export interface BalancedOptions {
  readonly sent: Sent
  readonly balancer: Balancer
  readonly events: OutgoingEvents
  /** Opens it to the one address that `sent` names. */
  readonly open: Open
  /** What becomes of it where there is no address. */
  readonly asRefusal: (error: unknown) => Refusal
}

export class BalancedOutgoing extends StandInOutgoing {
  readonly #options: BalancedOptions
  readonly #tried = new Set<string>()
  readonly #endsAtMs: number
  #choice: Choice | undefined
  #isReady = false
  #failure: Refusal | undefined

  constructor(options: BalancedOptions) {
    super()
    this.#options = options
    const { connectMs } = options.sent.forwarding.timeouts
    this.#endsAtMs = connectMs === 0 ? Infinity : performance.now() + connectMs
    this.#next()
  }

  override abandon(isLate?: boolean): void {
    this.#choice?.release()
    super.abandon(isLate)
  }

  #next(): void {
    const choice = this.#options.balancer.choose(this.#tried)
    if (!(choice instanceof Promise)) {
      this.#take(choice)
      return
    }
    const { events, asRefusal } = this.#options
    inTime(choice, this.#leftMs)
      .then((found) => this.#take(found))
      .catch((error: unknown) => {
        if (!this.isAbandoned) events.onFailure(asRefusal(error))
      })
  }

  #take(choice: Choice | undefined): void {
    const { sent, events, open, asRefusal } = this.#options
    if (choice === undefined || this.isAbandoned || this.#leftMs < 0) {
      choice?.release()
      const failure = this.#failure ?? asRefusal(new Error('the upstream has no address'))
      if (!this.isAbandoned) events.onFailure(failure)
      return
    }
    this.#choice = choice
    this.#tried.add(choice.name)
    this.opened = open({ ...sent, forwarding: this.#at(choice) }, this.#eventsOf(choice))
  }

  #eventsOf(choice: Choice): OutgoingEvents {
    const { events } = this.#options
    const release = () => choice.release()
    return {
      ...events,
      onReady: () => {
        this.#isReady = true
        events.onReady()
      },
      onAnswer: (answer: Answer) => {
        if (answer.content === undefined) answer.body.once('close', release)
        else release()
        events.onAnswer(answer)
      },
      onUpgrade: (granted: Granted) => {
        granted.bytes.once('close', release)
        events.onUpgrade(granted)
      },
      onFault: (error) => {
        release()
        events.onFault(error)
      },
      onFailure: (refusal) => {
        release()
        if (this.#isReady || !isOfAddress(refusal)) events.onFailure(refusal)
        else this.#goOn(choice, refusal)
      },
    }
  }

  #at(choice: Choice): Sent['forwarding'] {
    const { forwarding } = this.#options.sent
    const dialMs = choice.hasOthers ? Math.min(this.#leftMs, impatienceMs) : this.#leftMs
    return {
      ...forwarding,
      upstream: choice.endpoint,
      choice,
      ...(Number.isFinite(dialMs) ? { dialMs: Math.max(1, dialMs) } : undefined),
    }
  }

  /** Milliseconds of `timeouts.connect` that are left, for all addresses together. */
  get #leftMs(): number {
    return this.#endsAtMs - performance.now()
  }

  #goOn(choice: Choice, refusal: Refusal): void {
    choice.failed(choice.address, refusal.cause ?? refusal)
    // That of the last one says whether it is worth waiting for.
    this.#failure = refusal
    this.opened = undefined
    this.#next()
  }
}

/** The system may take longer to look a name up than anybody waits. */
function inTime(choice: Promise<Choice | undefined>, limitMs: number): Promise<Choice | undefined> {
  const late = Promise.withResolvers<never>()
  const timer = startTimer(Number.isFinite(limitMs) ? Math.max(1, limitMs) : 0, () =>
    late.reject(timedOut('connect')),
  )
  // One that comes too late is for nobody.
  late.promise.catch(() => choice.then((found) => found?.release()).catch(() => undefined))
  return Promise.race([choice, late.promise]).finally(() => clearTimeout(timer))
}

/** Whether the address took no connection; what it says on one is the same at the others. */
function isOfAddress({ code, cause }: Refusal): boolean {
  return (code === 'upstream_refused' || code === 'upstream_timeout') && !wantsOtherProtocol(cause)
}
