// Evidence: of links that were signed for one way nothing else is taken than all of them, in this order, to the byte.
import assert from 'node:assert/strict'
import { EvidenceFault } from '../../shared/evidence/fault.ts'
import type { Link } from '../../shared/evidence/link.ts'
import { verifyVia } from '../../shared/evidence/verify.ts'
import {
  accountOf,
  aliceToken,
  bobToken,
  chainOf,
  routeAt,
  snapshotAt,
  verifiedUser,
} from '../shared/evidence/ground.ts'
import { clockMs } from '../support/certificates.ts'
import { nothingElseIsKnown, nothingRevoked } from '../support/tokens.ts'
import { fuzz, type Chance } from './fuzz.ts'
import { mutated, spliced } from './mutation.ts'

const honest = chainOf(['S0', 'S1', 'S2', 'S3'])
/** The same way once more, and no less good. */
const again = chainOf(['S0', 'S1', 'S2', 'S3'])
const others = [
  ...honest,
  ...again,
  ...chainOf(['S0', 'S1', 'S2', 'S3'], { token: bobToken }),
  ...chainOf(['S1', 'S2', 'S3']),
  ...chainOf(['S0', 'S2', 'S3'], { txn: 'another' }),
]
const pieces = [...',. =-_+/\t\n\0Aa9é'.split(''), ', ', ',,', '..']
const snapshot = snapshotAt('S3')
const originalUser = verifiedUser(aliceToken)
let cases = 0

/** Another for each case: who sends many bad certificates is not listened to for a while. */
function nextAddress(): string {
  cases++
  return `10.${(cases >> 16) & 0xff}.${(cases >> 8) & 0xff}.${cases & 0xff}`
}

fuzz('evidence', { cases: 1_500, atLeast: { outcome: 'taken', oneIn: 8 } }, (chance) => {
  const via = anyVia(chance)
  const links = verified(via)
  if (links === undefined) return 'refused'
  const texts = links.map(({ text }) => text)
  assert.deepEqual(texts, texts[0] === again[0] ? again : honest)
  assert.equal(via.replaceAll(/[ \t]/g, ''), texts.join(','))
  return 'taken'
})

function anyVia(chance: Chance): string {
  const whole = honest.join(',')
  if (chance(4) > 0) return mutated(whole, pieces, chance)
  if (chance(2) === 0) return spliced(whole, others[chance(others.length)] as string, chance)
  return honest.map((link) => (chance(3) > 0 ? link : others[chance(others.length)])).join(', ')
}

function verified(via: string): readonly Link[] | undefined {
  try {
    return verifyVia({
      via,
      originalUser,
      caller: { issuer: 'mesh', subject: accountOf('S2') },
      route: routeAt('S3'),
      peer: { address: nextAddress() },
      snapshot,
      revocations: nothingRevoked,
      missing: nothingElseIsKnown,
      nowMs: clockMs,
    })
  } catch (error) {
    if (error instanceof EvidenceFault) return undefined
    throw error
  }
}
