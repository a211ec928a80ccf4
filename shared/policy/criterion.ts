// The table of PPL's criteria: what each is compiled to, and why some cannot be decided beside a service.
import {
  compileIdentity,
  compileOriginalUser,
  hasUselessSubPath,
  identityCriteria,
  isRefusedConstant,
  isSomebody,
  refusedConstant,
  splitKey,
  uselessSubPath,
} from './identity-criterion.ts'
import type { Assertion } from '../identity.ts'
import { listTest, readListMatcher } from './matcher.ts'
import { fault, inside, isObject, kindOf, quote, unknownName, type Place } from './place.ts'
import {
  compileCertificate,
  compileMethod,
  compilePath,
  compileSourceIp,
  type FactsTest,
} from './request-criterion.ts'
import { compileDate, compileDayOfWeek, compileTimeOfDay, type TimeTest } from './time-criterion.ts'

/** What must be there for a criterion to be asked at all. */
export type Need = 'nothing' | 'session' | 'original_user' | 'chain'

export interface Criterion {
  /** As it is written, with its sub-path; never a value. */
  readonly name: string
  readonly needs: Need
  /** Asked only where what it needs is there; a deny rule asks of a caller who is nobody too. */
  readonly test: FactsTest
}

type Compile = (data: unknown, place: Place) => FactsTest | undefined

const requestCriteria: ReadonlyMap<string, Compile> = new Map<string, Compile>([
  ['accept', (data, place) => compileConstant(data, place, () => true)],
  ['reject', (data, place) => compileConstant(data, place, () => false)],
  ['cors_preflight', (data, place) => compileConstant(data, place, (facts) => facts.corsPreflight)],
  ['http_method', compileMethod],
  ['http_path', compilePath],
  ['source_ip', compileSourceIp],
  ['client_certificate', compileCertificate],
  ['date', (data, place) => atRequest(compileDate(data, place))],
  ['day_of_week', (data, place) => atRequest(compileDayOfWeek(data, place))],
  ['time_of_day', (data, place) => atRequest(compileTimeOfDay(data, place))],
])

const knownCriteria = [...requestCriteria.keys(), ...identityCriteria, 'original_user', 'chain']

const undecidable: ReadonlyMap<string, string> = new Map([
  ['device', 'devices are enrolled with Pomerium, and no assertion tells of them'],
  ['record', 'records live in the data sources of Pomerium Enterprise'],
  ['rego', 'raw Rego is not evaluated; write the rule in PPL'],
  ['pomerium_routes', 'the paths under /.pomerium end at Pomerium and reach no sidecar'],
  [
    'invalid_client_certificate',
    'Pomerium alone checks it; write client_certificate under `not` of a deny rule',
  ],
  ['mcp_tool', 'the tool stands in the body, which a sidecar passes on unread'],
])

/** Compiles one entry of an operator's list; reports what is wrong with it and gives undefined then. */
export function compileCriterion(entry: unknown, place: Place): Criterion | undefined {
  if (!isObject(entry)) {
    return fault(
      place,
      `Must be an object with one criterion, as in {domain: example.com}, not ${kindOf(entry)}.`,
    )
  }
  const keys = Object.keys(entry)
  const [key] = keys
  if (key === undefined || keys.length > 1) {
    return fault(
      place,
      `Must have exactly one criterion; this has ${keys.length}. Begin each with its own dash.`,
    )
  }
  const [name, subPath] = splitKey(key)
  const at = inside(place, key)
  const reason =
    undecidable.get(name) ?? (name.startsWith('ssh_') ? 'no SSH passes through a sidecar' : undefined)
  if (reason !== undefined)
    return fault(at, `The criterion ${quote(name)} cannot be decided by a sidecar: ${reason}.`)
  if (!knownCriteria.includes(name)) return fault(at, unknownName('criterion', name, knownCriteria))
  if (hasUselessSubPath(key, name)) return fault(at, uselessSubPath(name))
  return compileKnown(key, name, subPath, entry[key], at)
}

function compileKnown(
  key: string,
  name: string,
  subPath: string,
  data: unknown,
  place: Place,
): Criterion | undefined {
  if (name === 'original_user') return originalUserCriterion(data, place)
  if (name === 'chain') return chainCriterion(data, place)
  const compileRequest = requestCriteria.get(name)
  if (compileRequest === undefined) return callerCriterion(key, name, subPath, data, place)
  const test = compileRequest(data, place)
  return test === undefined ? undefined : { name, needs: 'nothing', test }
}

function compileConstant(data: unknown, place: Place, test: FactsTest): FactsTest | undefined {
  return isRefusedConstant(data) ? fault(place, refusedConstant) : test
}

function atRequest(test: TimeTest | undefined): FactsTest | undefined {
  return test === undefined ? undefined : (facts) => test(facts.nowMs)
}

/** Who stands where there is nobody. */
const nobody: Assertion = {
  token: '',
  tokenHash: '',
  kind: 'anonymous',
  principal: { issuer: '', subject: '' },
  audience: '',
  email: '',
  groups: [],
  name: '',
  sessionId: '',
  tokenId: '',
  issuedAt: 0,
  expiresAt: 0,
  keyId: '',
  claims: {},
}

function callerCriterion(
  key: string,
  name: string,
  subPath: string,
  data: unknown,
  place: Place,
): Criterion | undefined {
  const criterion = compileIdentity(name, subPath, data, place)
  if (criterion === undefined) return undefined
  return { name: key, needs: 'session', test: ({ caller = nobody }) => criterion.test(caller) }
}

function originalUserCriterion(data: unknown, place: Place): Criterion | undefined {
  const criterion = compileOriginalUser(data, place)
  if (criterion === undefined) return undefined
  warnOfNegation(place, criterion.isNegative, 'without an original user', 'original_user: {…}')
  return {
    name: `original_user(${criterion.names.join(', ')})`,
    needs: 'original_user',
    test: ({ originalUser = nobody }) => criterion.test(originalUser),
  }
}

function chainCriterion(data: unknown, place: Place): Criterion | undefined {
  const matcher = readListMatcher(data, place, false)
  if (matcher === undefined) return undefined
  warnOfNegation(place, matcher.exclude !== undefined, 'without verified evidence', 'chain: {has: …}')
  const test = listTest(matcher)
  return { name: 'chain', needs: 'chain', test: ({ chain = [] }) => test(chain) }
}

/** What is false wherever it is unknown denies nobody there, whatever its negation seems to say. */
function warnOfNegation(place: Place, isNegative: boolean, without: string, instead: string): void {
  if (place.action === 'allow' || !(place.isNegated || isNegative)) return
  place.problems.warn(
    place.path,
    `Denies nothing ${without}: the criterion is false there, negated or not. To admit only what has it, write it in the allow rule instead: allow: {and: [${instead}, …]}.`,
  )
}

/** Whether what a criterion speaks of is there. */
export const isPresent: Readonly<Record<Need, FactsTest>> = {
  nothing: () => true,
  session: (facts) => isSomebody(facts.caller),
  original_user: (facts) => isSomebody(facts.originalUser),
  chain: (facts) => facts.chain !== undefined,
}
