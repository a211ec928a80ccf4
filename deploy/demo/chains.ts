// Many requests of several users at once through the whole mesh, and whether each saw its own user at every hop.
import type { AppAnswer } from './app.ts'
import { exchange } from './exchange.ts'
import type { PomeriumUser } from './pomerium.ts'
import type { ServiceName, Topology } from './topology.ts'

export interface Hop {
  readonly user: string
  readonly service: ServiceName
  readonly calledBy: string
  readonly onBehalfOf: string
  readonly chain: string
  /** How many of the user's requests saw exactly this, and how many were sent. */
  readonly right: number
  readonly sent: number
  /** An answer that was not as it should be. */
  readonly wrongAnswer: string | undefined
}

/** Sends `requestsEach` for every user, all at the same time and in turn. */
export async function walkChains(
  topology: Topology,
  users: Readonly<Record<string, PomeriumUser>>,
  requestsEach: number,
): Promise<Hop[]> {
  const names = Object.keys(users)
  const sending = Array.from({ length: requestsEach }, (_, i) =>
    names.map((user) => visit(topology, user, i)),
  ).flat()
  const visits = await Promise.all(sending)
  return Object.entries(users).flatMap(([user, identity]) => {
    const own = visits.filter((each) => each.user === user)
    return expectedHops(topology, identity).map((hop, depth) => {
      const wrong = own.filter((each) => !saw(each, depth, hop))
      return { user, ...hop, right: own.length - wrong.length, sent: own.length, wrongAnswer: wrong[0]?.body }
    })
  })
}

/** One request from Pomerium to Ledger, and what came back. */
export interface Visit {
  readonly user: string
  readonly path: string
  readonly body: string
  /** The answers of App, API and Ledger, as far as they came. */
  readonly answers: readonly Partial<AppAnswer>[]
}

/** A user asks App for an order of that number. Never rejects. */
export async function visit(topology: Topology, user: string, index: number): Promise<Visit> {
  const path = `/orders/${user}-${index}`
  const headers = [['Host', topology.services.App.host] as const, ['Cookie', `_pomerium=${user}`] as const]
  const sent = exchange({ port: topology.pomeriumPort, target: path, headers })
  const body = await sent.then(
    (answer) => answer.body,
    (error: unknown) => String(error),
  )
  return { user, path, body, answers: unfold(body) }
}

/** Whether every service was called by whom it should be, on behalf of the user who asked. */
export function wentRight(topology: Topology, identity: PomeriumUser, asked: Visit): boolean {
  return expectedHops(topology, identity).every((hop, depth) => saw(asked, depth, hop))
}

function unfold(body: string): Partial<AppAnswer>[] {
  const answers: Partial<AppAnswer>[] = []
  let answer = parse(body)
  while (answer !== undefined) {
    answers.push(answer)
    answer = answer.next as Partial<AppAnswer> | undefined
  }
  return answers
}

function parse(body: string): Partial<AppAnswer> | undefined {
  try {
    return JSON.parse(body) as Partial<AppAnswer>
  } catch {
    return undefined
  }
}

function expectedHops({ services: { App, API, Ledger } }: Topology, { sub, email }: PomeriumUser) {
  return [
    { service: App.name, calledBy: sub, onBehalfOf: email, chain: '' },
    { service: API.name, calledBy: App.account ?? '', onBehalfOf: email, chain: `${App.account}` },
    {
      service: Ledger.name,
      calledBy: API.account ?? '',
      onBehalfOf: email,
      chain: `${App.account}, ${API.account}`,
    },
  ]
}

function saw(
  { answers, path }: Visit,
  depth: number,
  hop: Pick<Hop, 'service' | 'calledBy' | 'onBehalfOf' | 'chain'>,
): boolean {
  const answer = answers[depth]
  return (
    answer?.service === hop.service &&
    answer.path === path &&
    answer.calledBy === hop.calledBy &&
    answer.onBehalfOf === hop.onBehalfOf &&
    answer.chain === hop.chain
  )
}
