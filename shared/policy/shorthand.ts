// Compiles the shorthands that a route has beside its policy: allowed_users, allow_any_authenticated_user and others.
import { compileIdentity, domainOf, isSomebody } from './identity-criterion.ts'
import { readString, readStrings } from './matcher.ts'
import { fault, inside, isObject, kindOf, type Place } from './place.ts'
import type { FactsTest } from './request-criterion.ts'
import { decides, type Clause, type Scope } from './rule.ts'
import type { Assertion } from '../identity.ts'

type Compile = (data: unknown, place: Place) => FactsTest | undefined

const shorthands = {
  allow_public_unauthenticated_access: (data, place) => compileSwitch(data, place, () => true),
  cors_allow_preflight: (data, place) => compileSwitch(data, place, (facts) => facts.corsPreflight),
  allow_any_authenticated_user: (data, place) =>
    compileSwitch(data, place, (facts) => isSomebody(facts.caller)),
  allowed_users: (data, place) =>
    compileList(
      data,
      place,
      (caller, users) => users.has(caller.principal.subject) || users.has(caller.email),
    ),
  allowed_domains: (data, place) =>
    compileList(data, place, (caller, domains) => domains.has(domainOf(caller.email))),
  allowed_groups: (data, place) =>
    compileList(data, place, (caller, groups) => caller.groups.some((group) => groups.has(group))),
  allowed_idp_claims: compileClaims,
} satisfies Record<string, Compile>

export type Shorthand = keyof typeof shorthands

/** Compiles the shorthands that are given, each to an allow clause of its own. Reports what is wrong with them. */
export function compileShorthands(
  source: Readonly<Partial<Record<Shorthand, unknown>>>,
  scope: Scope,
): Clause[] {
  const keys = Object.keys(shorthands) as Shorthand[]
  return keys.flatMap((key) => {
    const data = source[key]
    if (data === undefined || data === null) return []
    const place: Place = { ...scope, path: [...scope.path, key], action: 'allow', isNegated: false }
    const test = shorthands[key](data, place)
    return test === undefined ? [] : [decides('allow', key, test)]
  })
}

function compileSwitch(data: unknown, place: Place, test: FactsTest): FactsTest | undefined {
  if (typeof data !== 'boolean') return fault(place, `Must be true or false, not ${kindOf(data)}.`)
  return data ? test : undefined
}

/** An empty list admits nobody; an empty entry could be equal to an email that is not there. */
function compileList(
  data: unknown,
  place: Place,
  test: (caller: Assertion, values: ReadonlySet<string>) => boolean,
): FactsTest | undefined {
  if (Array.isArray(data) && data.length === 0) return undefined
  const values = readStrings(data, place)
  if (values === undefined) return undefined
  const set = new Set(values)
  return ({ caller }) => isSomebody(caller) && test(caller, set)
}

function compileClaims(data: unknown, place: Place): FactsTest | undefined {
  if (!isObject(data)) {
    return fault(
      place,
      `Must be an object of claims with lists of values, as in {family_name: [Smith]}, not ${kindOf(data)}.`,
    )
  }
  const tests = Object.entries(data).flatMap(([claim, values]) => {
    if (Array.isArray(values))
      return values.map((value, i) => compileClaimValue(claim, value, inside(place, claim, i)))
    return [fault(inside(place, claim), `Must be a list of values, not ${kindOf(values)}.`)]
  })
  const sound = tests.filter((test) => test !== undefined)
  if (sound.length === 0) return undefined
  return ({ caller }) => isSomebody(caller) && sound.some((test) => test(caller))
}

function compileClaimValue(claim: string, value: unknown, place: Place) {
  const isPlain =
    typeof value === 'number' || typeof value === 'boolean' || readString(value, place) !== undefined
  return isPlain ? compileIdentity('claim', claim, value, place)?.test : undefined
}
