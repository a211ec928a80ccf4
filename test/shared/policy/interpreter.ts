// A naive interpreter of PPL: it walks the document for each request, as the documentation reads.
import type { Assertion } from '../../../shared/identity.ts'
import type { PolicyFacts } from '../../../shared/policy/policy.ts'

export type Entry = Readonly<Record<string, unknown>>
export type Operators = Readonly<Record<string, readonly Entry[]>>
export type Rule = Readonly<Record<string, Operators>>

/** The criteria that ask about nobody. */
export const requestNames: ReadonlySet<string> = new Set([
  'accept',
  'reject',
  'cors_preflight',
  'http_method',
  'http_path',
  'source_ip',
])

/** What PPL's documentation says of a request, read anew each time. */
export function interpret(
  policy: readonly Rule[],
  request: PolicyFacts,
): { allowed: boolean; denied: boolean } {
  const matches = (action: string) =>
    policy.some((rule) =>
      Object.entries(rule[action] ?? {}).some(([operator, list]) =>
        operatorHolds(action, operator, list, request),
      ),
    )
  const denied = matches('deny')
  return { allowed: !denied && matches('allow'), denied }
}

function operatorHolds(
  action: string,
  operator: string,
  list: readonly Entry[],
  request: PolicyFacts,
): boolean {
  if (list.length === 0) return false
  const isNegated = operator === 'not' || operator === 'nor'
  const strict = (action === 'allow') !== isNegated
  const holds = list.map((each) => {
    const [name, data] = Object.entries(each)[0] as [string, unknown]
    if (!isKnown(name, action, request)) return false
    return criterionHolds(name, data, request, strict) !== isNegated
  })
  if (
    action === 'allow' &&
    operator === 'nor' &&
    !list.every((each) => isKnown(Object.keys(each)[0] as string, action, request))
  ) {
    return false
  }
  return operator === 'and' || operator === 'not' ? holds.every(Boolean) : holds.some(Boolean)
}

/** Whether there is what a criterion asks about. Deny rules ask about an anonymous caller too. */
function isKnown(name: string, action: string, request: PolicyFacts): boolean {
  if (requestNames.has(name)) return true
  const hasCaller = action === 'deny' || (request.caller?.principal.subject ?? '') !== ''
  if (name === 'chain') return hasCaller && request.chain !== undefined
  if (name === 'original_user') return hasCaller && request.originalUser !== undefined
  return hasCaller
}

function criterionHolds(name: string, data: unknown, request: PolicyFacts, strict: boolean): boolean {
  switch (name) {
    case 'accept':
      return true
    case 'reject':
      return false
    case 'cors_preflight':
      return request.corsPreflight
    case 'http_method':
      return request.method === data
    case 'http_path':
      return request.path.startsWith((data as { starts_with: string }).starts_with)
    case 'source_ip':
      return data === '192.0.2.1' ? request.peer.address === data : request.peer.address.startsWith('10.')
    case 'chain':
      return listHolds(data, request.chain ?? [], (list, element) => list.includes(element))
    case 'original_user':
      return Object.entries(data as Entry).every(([key, value]) =>
        identityHolds(key, value, request.originalUser, strict),
      )
    default:
      return identityHolds(name, data, request.caller, strict)
  }
}

function identityHolds(name: string, data: unknown, about: Assertion | undefined, strict: boolean): boolean {
  const string = (value: string) => stringHolds(data, value) && !(strict && value === '')
  switch (name) {
    case 'authenticated_user':
      return (about?.principal.subject ?? '') !== ''
    case 'user':
      return string(about?.principal.subject ?? '')
    case 'email':
      return string(about?.email ?? '')
    case 'domain': {
      const parts = (about?.email ?? '').split('@')
      return string(parts.length > 1 ? (parts.at(-1) as string) : '')
    }
    case 'issuer':
      return string(about?.principal.issuer ?? '')
    case 'groups':
      return listHolds(data, about?.groups ?? [], (list, element) => list.includes(element))
    default:
      return claimHolds(data, about?.claims['team'], strict)
  }
}

function claimHolds(data: unknown, claim: unknown, strict: boolean): boolean {
  if (claim === undefined) return listHolds(data, [], () => false)
  if (Array.isArray(claim))
    return listHolds(data, claim as string[], (list, element) => list.includes(element))
  const text = claim as string
  // Joined with commas, it may have the element or not: where `has` admits it has not, where `exclude` admits it has.
  return listHolds(data, [text], (_, element, key) => {
    if (text === element) return true
    return (key === 'has') !== strict && text.split(',').includes(element)
  })
}

function listHolds(
  data: unknown,
  list: readonly string[],
  includes: (list: readonly string[], element: string, key: string) => boolean,
): boolean {
  const matcher = (typeof data === 'string' ? { has: data } : data) as Record<string, string>
  return Object.entries(matcher).every(([key, element]) => {
    if (key === 'is') return list.length === 1 && list[0] === element
    return includes(list, element, key) === (key === 'has')
  })
}

function stringHolds(data: unknown, value: string): boolean {
  const matcher = (typeof data === 'string' ? { is: data } : data) as Record<string, string & string[]>
  return Object.entries(matcher).every(([key, wanted]) => {
    switch (key) {
      case 'is':
        return value === wanted
      case 'not':
        return value !== wanted
      case 'contains':
        return value.includes(wanted)
      case 'starts_with':
        return value.startsWith(wanted)
      case 'ends_with':
        return value.endsWith(wanted)
      case 'in':
        return wanted.some((each) => each === value)
      default:
        return !wanted.some((each) => each === value)
    }
  })
}
