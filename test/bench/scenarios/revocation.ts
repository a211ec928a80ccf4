// From the write of a revocation to its effect.
import { measureRevocation, type RevocationResults } from '../revocation/measure.ts'
import type { Scenario } from '../scenario.ts'

export const revocation: Scenario<'revocation', RevocationResults> = {
  name: 'revocation',
  commands: ['redis-server'],
  run: measureRevocation,
}
