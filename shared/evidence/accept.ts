// Whether a request must bring evidence, may, or must not; and what becomes of what it brings.
import { Refusal } from '../errors.ts'
import type { Assertion } from '../identity.ts'
import { meshIssuerName } from '../identity.ts'
import type { Snapshot } from '../trust.ts'
import { evidenceOf, type Evidence } from './evidence.ts'
import { EvidenceFault } from './fault.ts'
import { verifyVia, type ViaQuestion } from './verify.ts'

export interface EvidenceQuestion extends Omit<ViaQuestion, 'via' | 'originalUser' | 'caller'> {
  /** `x-onbehalf-via`, where it came along. */
  readonly via: string | undefined
  readonly caller: Assertion | undefined
  readonly originalUser: Assertion | undefined
}

/**
 * @returns undefined where there is none, and none is needed.
 * @throws {Refusal} `evidence_missing`, `evidence_invalid`; `keys_unavailable`, `overloaded`.
 * @throws {Needed} where `missing` answers `ask`.
 */
export function acceptEvidence(question: EvidenceQuestion): Evidence | undefined {
  const { via, caller, originalUser, snapshot } = question
  if (snapshot.mesh.evidence === 'off') return undefined
  // Without an original user there is nothing that it could be about: like all that a peer claims, it is set aside.
  if (originalUser === undefined || caller === undefined) return undefined
  if (via === undefined) {
    if (isNeeded(caller, snapshot)) throw missing(caller, snapshot)
    return undefined
  }
  try {
    return evidenceOf(verifyVia({ ...question, via, originalUser, caller: caller.principal }))
  } catch (error) {
    throw error instanceof EvidenceFault ? invalid(error) : error
  }
}

/** A Pomerium's word for who is calling may do without, unless the mesh file says otherwise. */
function isNeeded(caller: Assertion, snapshot: Snapshot): boolean {
  return snapshot.mesh.evidence === 'require' || isMinted(caller, snapshot)
}

function isMinted({ principal }: Assertion, { trust }: Snapshot): boolean {
  return [...trust.authorities.values()].some(({ name }) => name === principal.issuer)
}

function missing(caller: Assertion, snapshot: Snapshot): Refusal {
  const isOfOtherMesh = isMinted(caller, snapshot) && caller.principal.issuer !== meshIssuerName
  return new Refusal(
    'evidence_missing',
    isOfOtherMesh
      ? 'An account of another mesh signs no links here, so it cannot call on behalf of a user while mesh.evidence is not off.'
      : 'This call on behalf of a user brings no evidence of how it came here (x-onbehalf-via). Make it through the ' +
          'sidecar of the calling service; along the whole way mesh.evidence must not be off, and each service must have a certificate.',
  )
}

function invalid(fault: EvidenceFault): Refusal {
  return new Refusal(
    'evidence_invalid',
    "The evidence (x-onbehalf-via) does not show that this user's request came here by way of who is calling. " +
      'Make the call through the sidecar of the calling service, in the request that it serves.',
    { detail: fault.message, cause: fault.cause },
  )
}
