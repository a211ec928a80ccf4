// Says in a few words whom a route admits, for summaries; the compiled policy decides.
import type { PolicySource } from '../policy/compile.ts'

export function describePolicy(source: PolicySource): string {
  const admitted = [
    ...(source.allow_public_unauthenticated_access === true ? ['everyone, without an assertion too'] : []),
    ...(source.allow_any_authenticated_user === true ? ['every authenticated caller'] : []),
    ...(isGiven(source.policy) ? ['who its policy allows'] : []),
    ...listed('users', source.allowed_users),
    ...listed('domains', source.allowed_domains),
    ...listed('groups', source.allowed_groups),
    ...(isGiven(source.allowed_idp_claims) ? ['certain claims'] : []),
  ]
  return admitted.length === 0 ? 'nobody' : admitted.join('; ')
}

function listed(what: string, value: unknown): string[] {
  return Array.isArray(value) && value.length > 0 ? [`${value.length} ${what}`] : []
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}
