// Judges captured headers for `verify-chain`: by the sidecar's own rules, as of the time that is asked about.
import { AccountVerdicts } from '../../shared/assertion/account-verdicts.ts'
import { MalformedToken } from '../../shared/assertion/jws.ts'
import { verifyToken, type TokenRole } from '../../shared/assertion/verify.ts'
import type { Mesh, Route } from '../../shared/config/mesh.ts'
import { Refusal } from '../../shared/errors.ts'
import { EvidenceFault } from '../../shared/evidence/fault.ts'
import { readLink, type Link } from '../../shared/evidence/link.ts'
import { serviceAt } from '../../shared/evidence/rules.ts'
import { splitVia, verifyVia } from '../../shared/evidence/verify.ts'
import type { Assertion } from '../../shared/identity.ts'
import { Needed, type MissingRule } from '../../shared/needed.ts'
import { noRevocations } from './no-revocations.ts'
import { makeTrust, type Snapshot } from '../../shared/trust.ts'
import type { TrustMaterial } from '../material.ts'
import { decodeToken } from './token-decode.ts'
import type { KeyRing } from './token-keys.ts'
import { isoTime } from './token-words.ts'
import type { CapturedHeaders } from './verify-chain-input.ts'
import { hopsOf, userOf, type ChainReport } from './verify-chain-report.ts'

export interface CapturedQuestion {
  readonly headers: CapturedHeaders
  readonly mesh: Mesh
  readonly material: TrustMaterial
  readonly certificates: ReadonlyMap<string, readonly string[]>
  readonly keyRing: KeyRing
  /** Undefined: when the last link was signed. */
  readonly at: number | undefined
}

/** What was verified so far. */
interface Found {
  user?: Assertion
  links?: readonly Link[]
}

/** @throws {UsageFault} a bad key file. */
export async function judgeChain(question: CapturedQuestion): Promise<ChainReport> {
  const found: Found = {}
  try {
    await withKeys(question, (missing) => check(question, missing, found))
    return reportOf(question, 'verified', found)
  } catch (error) {
    const refusal = refusalOf(error)
    const isOpen = error instanceof Refusal && error.status === 503
    const links = readLinks(question.headers.via).slice(0, question.mesh.maxHops)
    return { ...reportOf(question, isOpen ? 'cannot_tell' : 'refused', { ...found, links }), refusal }
  }
}

function refusalOf(error: unknown): NonNullable<ChainReport['refusal']> {
  if (error instanceof EvidenceFault) {
    const { link, why } = error
    return { ...(link === undefined ? {} : { link }), why }
  }
  if (!(error instanceof Refusal)) throw error
  return { why: error.detail === undefined ? error.message : `${error.message} (${error.detail})` }
}

/** Decides, and asks each issuer whose key is needed, once. */
async function withKeys(
  { keyRing }: CapturedQuestion,
  decide: (missing: MissingRule) => void,
): Promise<void> {
  const missing: MissingRule = (need) => {
    // Only links without x5c need one, and whoever has it was not asked: nothing follows from that.
    if (need.kind !== 'keys') return 'unavailable'
    return need.issuers.every((issuer) => keyRing.wasAsked(issuer)) ? 'unknown' : 'ask'
  }
  for (;;) {
    try {
      decide(missing)
      return
    } catch (error) {
      if (!(error instanceof Needed) || error.need.kind !== 'keys') throw error
      const open = error.need.issuers.filter((issuer) => !keyRing.wasAsked(issuer))
      await Promise.all(open.map((issuer) => keyRing.load(issuer)))
    }
  }
}

function check(question: CapturedQuestion, missing: MissingRule, found: Found): void {
  const { headers, mesh, at } = question
  // Its rules on length and number come first, for what they refuse no sidecar would have read.
  splitVia(headers.via, mesh.maxHops)
  const snapshot = snapshotOf(question)
  const nowMs = at ?? timeOf(headers.via)
  const route = routeOf(headers.via, mesh)
  const verify = (token: string, role: TokenRole, audiences: { has(host: string): boolean }, atMs: number) =>
    verifyToken(token, {
      role,
      audiences,
      peer,
      snapshot,
      revocations: noRevocations,
      nowMs: atMs,
      missing,
      graceMs: role === 'original_user' ? mesh.originalUserGraceMs : 0,
    })
  const user = (found.user = verify(headers.userToken, 'original_user', route.acceptFor, nowMs))
  const caller =
    headers.assertion === undefined
      ? undefined
      : verify(headers.assertion, 'assertion', mesh.ownRoutes, at ?? issueTime(headers.assertion, nowMs))
  checkRoles(user, caller, route)
  found.links = verifyVia({
    via: headers.via,
    originalUser: user,
    caller: caller?.principal,
    route,
    peer,
    snapshot,
    revocations: noRevocations,
    missing,
    nowMs,
  })
}

/** As every sidecar asks of a `-For`, before it looks at evidence. */
function checkRoles(user: Assertion, caller: Assertion | undefined, route: Route): void {
  if (caller !== undefined && caller.kind !== 'service_account') {
    throw notAllowed('Only a service account may call on behalf of a user.')
  }
  if (route.originalUser === 'none') throw notAllowed('This route takes no original user.')
  if (user.kind !== 'user') throw notAllowed('X-Pomerium-Jwt-Assertion-For must be about a user.')
}

function notAllowed(message: string): Refusal {
  return new Refusal('original_user_not_allowed', message)
}

const peer = { address: '' }

function snapshotOf({ mesh, material, keyRing, certificates }: CapturedQuestion): Snapshot {
  const trust = makeTrust(keyRing.loaded, material.authorities, new AccountVerdicts())
  for (const [keyId, chain] of certificates) trust.certificates.set(keyId, chain)
  return { mesh, trust }
}

/** The route that was called: the one that the last link names, or else any of the service's. */
function routeOf(via: string, { ownRoutes }: Mesh): Route {
  const last = readLinks(via).at(-1)
  const own = [...ownRoutes.values()].flat()
  const route = own.find(({ host, name }) => host === last?.audience && name === last.route) ?? own[0]
  if (route === undefined) throw new TypeError('a service without routes')
  return route
}

/** An assertion is younger than a link that is used again, so it is judged as of when it was made. */
function issueTime(assertion: string, otherwiseMs: number): number {
  const iat = decodeToken(assertion).claims?.['iat']
  return typeof iat === 'number' ? iat * 1000 : otherwiseMs
}

function reportOf(
  { mesh, headers, at, certificates }: CapturedQuestion,
  answer: ChainReport['answer'],
  { user, links = [] }: Found,
): ChainReport {
  const host = user?.audience ?? ''
  const txn = answer === 'verified' ? links[0]?.transactionId : undefined
  return {
    answer,
    service: mesh.service,
    at: isoTime((at ?? timeOf(headers.via)) / 1000),
    ...(user && { user: userOf(user), entry: { service: serviceAt(host, mesh) ?? '?', host } }),
    ...(txn !== undefined && { txn }),
    hops: hopsOf(links, host, mesh),
    notes: notesOn(headers, certificates),
  }
}

function notesOn(
  { assertion, via }: CapturedHeaders,
  certificates: CapturedQuestion['certificates'],
): string[] {
  const notes = ['revocations are known to a running sidecar only, and were not consulted']
  const isUnknown = (token: string) => {
    const { header } = decodeToken(token.trim())
    const keyId = header?.['kid']
    return header?.['x5c'] === undefined && typeof keyId === 'string' && !certificates.has(keyId)
  }
  const signed = [...via.split(','), ...(assertion === undefined ? [] : [assertion])]
  if (signed.some(isUnknown)) {
    notes.push(
      'what travels without its certificate (x5c) is verified by --certificates FILE, the PEM of the accounts',
    )
  }
  if (assertion === undefined) {
    notes.push('without X-Pomerium-Jwt-Assertion nobody can tell whether the last link is by who was calling')
  }
  return notes
}

/** What the links say, as far as they can be read: nothing of it is verified. */
export function readLinks(via: string): Link[] {
  const links: Link[] = []
  for (const text of via.split(',')) {
    try {
      links.push(readLink(text.trim()).link)
    } catch (error) {
      if (error instanceof MalformedToken) break
      throw error
    }
  }
  return links
}

/** When the last link was signed, as it says; milliseconds since the epoch. */
export function timeOf(via: string): number {
  const last = readLinks(via).at(-1)
  return last === undefined ? Date.now() : last.issuedAt * 1000
}
