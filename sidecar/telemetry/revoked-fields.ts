// What a log line says of who or what is revoked.
import type { Revocation } from '../../shared/revocation.ts'
import type { Current } from '../runtime.ts'
import type { LogFields } from './log.ts'

/** Of who or what is revoked no more than any log line says of them: no claim, and users as they stand there. */
export function revokedFields(
  revocation: Revocation,
  { naming, snapshot }: Pick<Current, 'naming' | 'snapshot'>,
): LogFields {
  const { kind } = revocation
  if (kind === 'kid') return revocation
  const { issuer, value } = revocation
  if (kind !== 'subject') return { kind, issuer }
  const known = snapshot.mesh.issuers.find(({ name }) => name === issuer)
  const isUser = known !== undefined && !known.serviceAccounts.has(value)
  return { kind, issuer, value: isUser ? naming.idOf({ kind: 'user', issuer, subject: value }) : value }
}
