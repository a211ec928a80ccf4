// Verifies the links of `x-onbehalf-via`: what they say together, and that each was signed by its account.
import { findAccountKey, isKey } from '../assertion/account-key.ts'
import { keepHeader, MalformedToken } from '../assertion/jws.ts'
import { signatureIsValid } from '../assertion/key-set.ts'
import { clockSkewSeconds, type Revocations } from '../assertion/verify.ts'
import type { Authority } from '../certificate/chain.ts'
import { trimBlanks, type Peer } from '../head.ts'
import { meshIssuerName } from '../identity.ts'
import { Needed, type MissingRule } from '../needed.ts'
import type { Snapshot, Trust } from '../trust.ts'
import { maxViaLength } from './evidence.ts'
import { EvidenceFault } from './fault.ts'
import { readLink, type Link, type ReadLink } from './link.ts'
import { checkChain, type ChainQuestion } from './rules.ts'

export interface ViaQuestion extends Omit<ChainQuestion, 'issuer' | 'mesh'> {
  /** `x-onbehalf-via`. */
  readonly via: string
  readonly peer: Peer
  readonly snapshot: Snapshot
  readonly revocations: Revocations
  readonly missing: MissingRule
}

/**
 * The links, oldest first, when all of them are as they must be. Those whose signature was found good are remembered;
 * what depends on the time, the request or revocation is asked each time.
 * @throws {EvidenceFault} the first rule that is broken.
 * @throws {Refusal} `keys_unavailable` where a signer's certificate cannot be looked up now; `overloaded` for a peer
 * that sends bad certificates without end.
 * @throws {Needed} all certificates that are missing, where `missing` answers `ask`.
 */
export function verifyVia(question: ViaQuestion): readonly Link[] {
  const { mesh, trust } = question.snapshot
  const authority = ownAuthority(trust)
  checkCaller(question)
  const read = splitVia(question.via, mesh.maxHops).map((text, i) => recall(text, i + 1, trust))
  const links = read.map(({ link }) => link)
  checkChain(links, { ...question, issuer: authority.issuer, mesh })
  authenticate(read, authority, question)
  for (const [i, link] of links.entries()) checkNotRevoked(link, i + 1, question.revocations)
  return links
}

/** Services, and so the accounts that may sign for them, are known of this mesh alone. */
function ownAuthority({ authorities }: Trust): Authority {
  const own = [...authorities.values()].find(({ name }) => name === meshIssuerName)
  if (own === undefined)
    throw new EvidenceFault(undefined, 'the mesh file has no mesh.ca, so nobody can sign a link')
  return own
}

/** An account of another mesh could have the name of one of ours, and no link is its own. */
function checkCaller({ caller, snapshot }: ViaQuestion): void {
  if (caller === undefined || caller.issuer === meshIssuerName) return
  const others = [...snapshot.trust.authorities.values()]
  if (others.some(({ name }) => name === caller.issuer)) {
    throw new EvidenceFault(
      undefined,
      'who is calling is an account of another mesh, which signs no links here',
    )
  }
}

/** @throws {EvidenceFault} too long, too many, or an empty member. */
export function splitVia(via: string, maxHops: number): readonly string[] {
  if (via.length > maxViaLength)
    throw new EvidenceFault(undefined, `it is longer than ${maxViaLength} characters`)
  const texts = via.split(',', maxHops + 1).map(trimBlanks)
  if (texts.length > maxHops)
    throw new EvidenceFault(undefined, `it has more links than mesh.max_hops, ${maxHops}`)
  const empty = texts.indexOf('')
  if (empty !== -1) throw new EvidenceFault(empty + 1, 'it is empty')
  return texts
}

/** A link whose signature is to be verified still has its `jws`. */
type Recalled = ReadLink | { readonly link: Link; readonly jws?: undefined }

function recall(text: string, position: number, { links, headers }: Trust): Recalled {
  const link = links.get(text)
  if (link !== undefined) return { link }
  try {
    return readLink(text, headers)
  } catch (error) {
    if (error instanceof MalformedToken) throw new EvidenceFault(position, error.message)
    throw error
  }
}

/** Certificates that are missing are asked for together, since each question costs a request its time. */
function authenticate(read: readonly Recalled[], authority: Authority, question: ViaQuestion): void {
  const { links, headers } = question.snapshot.trust
  const keyIds = new Set<string>()
  for (const [i, { link, jws }] of read.entries()) {
    if (jws === undefined) continue
    try {
      authenticateOne({ link, jws }, i + 1, authority, question)
      keepHeader(jws, headers)
      links.set(link.text, link, link.text.length * 2 + 1024)
    } catch (error) {
      if (!(error instanceof Needed) || error.need.kind !== 'certificates') throw error
      for (const keyId of error.need.keyIds) keyIds.add(keyId)
    }
  }
  if (keyIds.size > 0) throw new Needed({ kind: 'certificates', keyIds: [...keyIds] })
}

function authenticateOne(
  { link, jws }: ReadLink,
  position: number,
  authority: Authority,
  question: ViaQuestion,
): void {
  const { peer, nowMs, missing, snapshot } = question
  const { keyId, certificates } = jws.header
  const found = findAccountKey({
    keyId,
    certificates,
    authority,
    trust: snapshot.trust,
    peer,
    missing,
    nowMs,
    atMs: link.issuedAt * 1000,
    // A certificate that was renewed for the same key can begin a moment after the link that the old one stood for.
    earlyMs: clockSkewSeconds * 1000,
  })
  if (!isKey(found)) {
    throw new EvidenceFault(
      position,
      `no certificate that counted at its iat shows its key: ${found.why}`,
      found.cause,
    )
  }
  if (found.account !== link.account)
    throw new EvidenceFault(position, 'its certificate is of another account')
  if (!signatureIsValid('ES256', found.key, jws.signingInput, jws.signature)) {
    throw new EvidenceFault(position, 'its signature is wrong')
  }
}

function checkNotRevoked(link: Link, position: number, revocations: Revocations): void {
  if (revocations.isRevoked(link.revocable)) {
    throw new EvidenceFault(position, 'its key, its account or itself was revoked')
  }
}
