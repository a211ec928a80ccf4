// The criteria about who somebody is: asked of the caller, and of the original user.
import type { Assertion } from '../identity.ts'
import { compileStringMatcher, joinedTest, listTest, readListMatcher, type StringKey } from './matcher.ts'
import { fault, inside, isObject, kindOf, quote, unknownName, type Place } from './place.ts'

export interface IdentityCriterion {
  readonly test: (somebody: Assertion) => boolean
  /** Whether it holds for everybody but some. */
  readonly isNegative: boolean
}

type Compile = (data: unknown, place: Place, subPath: string) => IdentityCriterion | undefined

const criteria: ReadonlyMap<string, Compile> = new Map<string, Compile>([
  ['authenticated_user', (data, place) => compileConstant(data, place, isSomebody)],
  ['user', (data, place) => compileString(data, place, (somebody) => somebody.principal.subject)],
  ['email', (data, place) => compileString(data, place, (somebody) => somebody.email)],
  ['domain', (data, place) => compileString(data, place, (somebody) => domainOf(somebody.email))],
  ['issuer', compileIssuer],
  ['groups', compileGroups],
  ['claim', compileClaim],
])

export const identityCriteria: readonly string[] = [...criteria.keys()]

/** Compiles the identity criterion `name`; reports what is wrong with it and gives undefined then. */
export function compileIdentity(
  name: string,
  subPath: string,
  data: unknown,
  place: Place,
): IdentityCriterion | undefined {
  return criteria.get(name)?.(data, place, subPath)
}

/** Whether an assertion is about somebody: the session that Pomerium's rules speak of. */
export function isSomebody(somebody: Assertion | undefined): somebody is Assertion {
  return somebody !== undefined && somebody.principal.subject !== ''
}

/** What follows the last `@`, as mail is delivered (RFC 5321 section 4.1.2); empty without one. */
export function domainOf(email: string): string {
  const at = email.lastIndexOf('@')
  return at < 0 ? '' : email.slice(at + 1)
}

/** Pomerium ignores the data of these, so that `accept: false` accepts: a trap that is refused here. */
export function isRefusedConstant(data: unknown): boolean {
  return data === false || data === 'false'
}

export const refusedConstant =
  'It holds whatever is written behind it, also false: write true, or remove the entry.'

function compileConstant(
  data: unknown,
  place: Place,
  test: (somebody: Assertion) => boolean,
): IdentityCriterion | undefined {
  return isRefusedConstant(data) ? fault(place, refusedConstant) : { test, isNegative: false }
}

function compileString(
  data: unknown,
  place: Place,
  read: (somebody: Assertion) => string,
): IdentityCriterion | undefined {
  const matcher = compileStringMatcher(data, place)
  if (matcher === undefined) return undefined
  return { test: (somebody) => matcher.test(read(somebody)), isNegative: matcher.isNegative }
}

const comparesWhole: ReadonlySet<StringKey> = new Set(['is', 'not', 'in', 'not_in'])

/** A misspelt issuer would match nobody, and under a negation everybody. */
function compileIssuer(data: unknown, place: Place): IdentityCriterion | undefined {
  const matcher = compileStringMatcher(data, place, (value, key) => {
    if (!comparesWhole.has(key) || place.issuerNames.has(value)) return undefined
    return unknownName('issuer of this mesh file', value, [...place.issuerNames])
  })
  if (matcher === undefined) return undefined
  return { test: (somebody) => matcher.test(somebody.principal.issuer), isNegative: matcher.isNegative }
}

function compileGroups(data: unknown, place: Place): IdentityCriterion | undefined {
  const matcher = readListMatcher(data, place, false)
  if (matcher === undefined) return undefined
  const test = listTest(matcher)
  return { test: (somebody) => test(somebody.groups), isNegative: matcher.exclude !== undefined }
}

/** Claims that every assertion carries; any other only where `jwt_claims_headers` names it. */
const alwaysSigned = new Set([
  'iss',
  'aud',
  'jti',
  'iat',
  'exp',
  'sub',
  'user',
  'email',
  'groups',
  'sid',
  'name',
])

function compileClaim(data: unknown, place: Place, subPath: string): IdentityCriterion | undefined {
  if (subPath === '') return fault(place, 'Must name the claim behind a slash, as in claim/family_name.')
  const matcher = readListMatcher(data, place, true)
  if (matcher === undefined) return undefined
  const isNegative = matcher.exclude !== undefined
  if (place.action === 'allow' && (isNegative || place.isNegated) && !alwaysSigned.has(subPath)) {
    place.problems.warn(
      place.path,
      `Admits also where the assertion does not carry the claim: Pomerium signs it only where jwt_claims_headers names ${quote(subPath)}. Require the claim with \`has\` instead where you can.`,
    )
  }
  return { test: claimCriterion(subPath, listTest(matcher), joinedTest(matcher, place)), isNegative }
}

function claimCriterion(
  key: string,
  test: (elements: readonly string[]) => boolean,
  testJoined: (text: string) => boolean,
): IdentityCriterion['test'] {
  const segments = key.split(/[./]/)
  return ({ claims }) => {
    const value = Object.hasOwn(claims, key) ? claims[key] : readClaim(claims, segments)
    return typeof value === 'string' && value.includes(',') ? testJoined(value) : test(elementsOf(value))
  }
}

function readClaim(claims: Readonly<Record<string, unknown>>, segments: readonly string[]): unknown {
  let value: unknown = claims
  for (const segment of segments) {
    if (!isObject(value) || !Object.hasOwn(value, segment)) return undefined
    value = value[segment]
  }
  return value
}

const noElements: readonly string[] = []

/** A claim as a list of texts, since Pomerium signs numbers and booleans as either; no claim is an empty list. */
function elementsOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.filter(isScalar).map(String)
  return isScalar(value) ? [String(value)] : noElements
}

function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

export interface OriginalUserCriterion extends IdentityCriterion {
  /** The criteria inside, for the decision record. */
  readonly names: readonly string[]
}

/** Compiles `original_user: {…}`: one or several identity criteria, all of which must hold of the original user. */
export function compileOriginalUser(data: unknown, place: Place): OriginalUserCriterion | undefined {
  if (!isObject(data)) {
    return fault(
      place,
      `Must be an object of identity criteria, as in {email: alice@example.com}, not ${kindOf(data)}.`,
    )
  }
  const keys = Object.keys(data)
  if (keys.length === 0) return fault(place, `Needs at least one of ${identityCriteria.join(', ')}.`)
  const parts = keys.map((key) => compileOriginalUserPart(key, data[key], inside(place, key)))
  if (!parts.every((part) => part !== undefined)) return undefined
  return {
    names: keys,
    test: (somebody) => parts.every((part) => part.test(somebody)),
    isNegative: parts.some((part) => part.isNegative),
  }
}

function compileOriginalUserPart(key: string, data: unknown, place: Place): IdentityCriterion | undefined {
  const [name, subPath] = splitKey(key)
  if (!criteria.has(name)) return fault(place, unknownName('identity criterion', name, identityCriteria))
  if (hasUselessSubPath(key, name)) return fault(place, uselessSubPath(name))
  return compileIdentity(name, subPath, data, place)
}

/** `claim/a/b` is the criterion `claim` with the sub-path `a/b`. */
export function splitKey(key: string): readonly [name: string, subPath: string] {
  const separator = key.indexOf('/')
  return separator < 0 ? [key, ''] : [key.slice(0, separator), key.slice(separator + 1)]
}

export function hasUselessSubPath(key: string, name: string): boolean {
  return key !== name && name !== 'claim'
}

export function uselessSubPath(name: string): string {
  return `${name} takes no sub-path: write ${name}: … (only claim has one, as in claim/family_name).`
}
