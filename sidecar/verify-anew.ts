// Verifies what another sidecar shared of a request as if it had come here: the user's token, and its evidence.
import { verifyToken } from '../shared/assertion/verify.ts'
import { Refusal } from '../shared/errors.ts'
import { evidenceOf, type Evidence } from '../shared/evidence/evidence.ts'
import { EvidenceFault } from '../shared/evidence/fault.ts'
import { serviceAt } from '../shared/evidence/rules.ts'
import { verifyVia } from '../shared/evidence/verify.ts'
import type { Assertion } from '../shared/identity.ts'
import type { MissingRule } from '../shared/needed.ts'
import { asking } from './asking.ts'
import type { Runtime } from './runtime.ts'
import type { CarriedUser, VerifiedUser } from './shared-sessions.ts'

/**
 * @param spentMs for so long the store was asked already.
 * @throws {Refusal} of the token, or of the evidence.
 */
export async function verifyAnew(
  carried: CarriedUser,
  runtime: Runtime,
  spentMs: number,
): Promise<VerifiedUser> {
  const verify = (missing: MissingRule): VerifiedUser => {
    const originalUser = verifyUser(carried, runtime, missing)
    const { mesh } = runtime.current().snapshot
    if (carried.isEntry && serviceAt(originalUser.audience, mesh) !== carried.service) throw cameElsewhere()
    return { originalUser, evidence: verifyEvidence(carried, originalUser, runtime, missing) }
  }
  return asking(runtime.ask, verify, spentMs)
}

function verifyUser(carried: CarriedUser, runtime: Runtime, missing: MissingRule): Assertion {
  const { token, via, isEntry } = carried
  const { snapshot } = runtime.current()
  const { evidence, originalUserGraceMs, routes } = snapshot.mesh
  const goesWithEvidence = evidence !== 'off' && (isEntry || via !== undefined)
  return verifyToken(token, {
    role: 'original_user',
    audiences: new Set(routes.map(({ host }) => host)),
    peer: { address: '' },
    snapshot,
    revocations: runtime.revocations,
    nowMs: runtime.now(),
    missing,
    graceMs: goesWithEvidence ? originalUserGraceMs : 0,
  })
}

function verifyEvidence(
  { via, service }: CarriedUser,
  originalUser: Assertion,
  runtime: Runtime,
  missing: MissingRule,
): Evidence | undefined {
  const { snapshot } = runtime.current()
  if (via === undefined || snapshot.mesh.evidence === 'off') return undefined
  try {
    const links = verifyVia({
      via,
      originalUser,
      // Whoever called the service that took the request is by now known by the last link alone.
      caller: undefined,
      route: undefined,
      peer: { address: '' },
      snapshot,
      revocations: runtime.revocations,
      missing,
      nowMs: runtime.now(),
    })
    const host = links.at(-1)?.audience ?? ''
    if (serviceAt(host, snapshot.mesh) === service) return evidenceOf(links)
  } catch (error) {
    if (!(error instanceof EvidenceFault)) throw error
  }
  throw cameElsewhere()
}

function cameElsewhere(): Refusal {
  return new Refusal(
    'evidence_invalid',
    'A shared session is of a request that is not shown to have come to its service.',
  )
}
