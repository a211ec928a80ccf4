// What links must say so that together they show a way through the mesh: the rules that no signature is needed for.
import { clockSkewSeconds } from '../assertion/verify.ts'
import type { Mesh, Route } from '../config/mesh.ts'
import type { Assertion, Principal } from '../identity.ts'
import { EvidenceFault } from './fault.ts'
import type { Link } from './link.ts'

export interface ChainQuestion {
  /** Verified, but for its end: whether that has come is asked of the first link. */
  readonly originalUser: Pick<Assertion, 'tokenHash' | 'audience' | 'issuedAt' | 'expiresAt'>
  /** Who is calling now; undefined where nobody knows any more. */
  readonly caller: Principal | undefined
  /** The route that is called; undefined: wherever the last link leads. */
  readonly route: Pick<Route, 'name' | 'host'> | undefined
  /** `iss` of this mesh's links. */
  readonly issuer: string
  readonly mesh: Pick<Mesh, 'routesByHost' | 'signersByService'>
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

/** @throws {EvidenceFault} the first rule that is broken, of the first link that breaks one. */
export function checkChain(links: readonly Link[], question: ChainQuestion): void {
  const calls = new Set<string>()
  let previous: Link | undefined
  for (const [i, link] of links.entries()) {
    const broken =
      whyNotOfChain(link, previous, question) ??
      whyNotFrom(link, previous, question) ??
      whyNotTo(link, question) ??
      whyNotThen(link, previous, question) ??
      whyRepeated(link, calls)
    if (broken !== undefined) throw new EvidenceFault(i + 1, broken)
    previous = link
  }
  const broken = previous && whyNotHere(previous, question)
  if (broken !== undefined) throw new EvidenceFault(links.length, broken)
}

/** Bound to the same mesh, user token and transaction, and to the link before. */
function whyNotOfChain(
  link: Link,
  previous: Link | undefined,
  { issuer, originalUser }: ChainQuestion,
): string | undefined {
  if (link.issuer !== issuer) return `iss is ${quoted(link.issuer)}, not ${quoted(issuer)} (mesh.issuer)`
  if (link.userTokenHash !== originalUser.tokenHash) return 'it was made for another user token (oth)'
  if (previous === undefined) {
    return link.previousHash === undefined ? undefined : 'the links before it are missing (prv)'
  }
  if (link.previousHash !== previous.hash) return 'it does not follow the link before it (prv)'
  if (link.transactionId !== previous.transactionId)
    return 'it is of another transaction than the link before it (txn)'
  return undefined
}

/** By an account of the service where the user came in, or that the link before addressed, or of whom it shares its sessions with. */
function whyNotFrom(
  { account }: Link,
  previous: Link | undefined,
  { mesh, originalUser }: ChainQuestion,
): string | undefined {
  const host = previous?.audience ?? originalUser.audience
  const service = serviceAt(host, mesh)
  if (service !== undefined && mesh.signersByService.get(service)?.has(account) === true) return undefined
  const where = previous === undefined ? 'the user came in at' : 'the link before it goes to'
  const whose = service === undefined ? `${quoted(host)}, which no route names` : `service ${service}`
  return `${where} ${whose}, and ${quoted(account)} is none of its accounts`
}

/** Whose host it is. */
export function serviceAt(host: string, { routesByHost }: Pick<Mesh, 'routesByHost'>): string | undefined {
  // Under an alias a host may be found too; links and assertions name the host of `from`.
  return routesByHost.get(host)?.find((route) => route.host === host)?.service
}

function whyNotTo({ audience, route }: Link, { mesh }: ChainQuestion): string | undefined {
  const routes = mesh.routesByHost.get(audience) ?? []
  if (routes.some(({ host, name }) => host === audience && name === route)) return undefined
  return `no route ${quoted(route)} of the mesh file has the host ${quoted(audience)}`
}

/** Clocks may differ by a minute. */
function whyNotThen(
  { issuedAt }: Link,
  previous: Link | undefined,
  { originalUser, nowMs }: ChainQuestion,
): string | undefined {
  const nowSeconds = Math.floor(nowMs / 1000)
  if (issuedAt > nowSeconds + clockSkewSeconds) return `iat is ${issuedAt}, now is ${nowSeconds}`
  if (previous !== undefined) {
    if (issuedAt >= previous.issuedAt - clockSkewSeconds) return undefined
    return `iat is ${issuedAt}, before that of the link before it, ${previous.issuedAt}`
  }
  const { issuedAt: userIssuedAt, expiresAt } = originalUser
  if (issuedAt < userIssuedAt - clockSkewSeconds) {
    return `iat is ${issuedAt}, before that of the user's token, ${userIssuedAt}`
  }
  return issuedAt > expiresAt ? `iat is ${issuedAt}, after exp of the user's token, ${expiresAt}` : undefined
}

function whyRepeated({ account, route }: Link, calls: Set<string>): string | undefined {
  const call = JSON.stringify([account, route])
  if (calls.has(call))
    return `${quoted(account)} called route ${quoted(route)} before: the call goes in a ring`
  calls.add(call)
  return undefined
}

/** The last one leads here, and is by who is calling. */
function whyNotHere({ audience, route, account }: Link, question: ChainQuestion): string | undefined {
  const { route: called, caller } = question
  if (called !== undefined && (audience !== called.host || route !== called.name)) {
    return `it goes to route ${quoted(route)} at ${quoted(audience)}, and route ${quoted(called.name)} at ${quoted(called.host)} is called`
  }
  if (caller === undefined || caller.subject === account) return undefined
  return `it is by ${quoted(account)}, and ${quoted(caller.subject)} is calling`
}

/** No more than fits a line. */
function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 200))
}
