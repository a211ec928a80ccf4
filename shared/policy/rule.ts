// Compiles PPL's rules: actions and operators over criteria, and what they make of a caller who is nobody.
import { compileCriterion, isPresent, type Criterion } from './criterion.ts'
import { fault, inside, isObject, kindOf, quote, unknownName, type Action, type Place } from './place.ts'
import type { PolicyVerdict } from './policy.ts'
import type { FactsTest } from './request-criterion.ts'

/** What can decide a request by itself; clauses of one action are OR-ed. */
export interface Clause {
  readonly action: Action
  readonly test: FactsTest
  /** What it decides where it matches: made once, shared by all requests. */
  readonly verdict: PolicyVerdict
  readonly readsPath: boolean
}

/** Where rules stand; the action and the negation are not known yet. */
export type Scope = Omit<Place, 'action' | 'isNegated'>

const actions = ['allow', 'deny'] as const
const operators = ['and', 'or', 'not', 'nor'] as const
type Operator = (typeof operators)[number]
/** `or` is compiled to a clause for each criterion, so that the verdict names the one that decided. */
type Combination = Exclude<Operator, 'or'>

/** Compiles a policy document: a rule, or a list of rules. Reports what is wrong with it. */
export function compileRules(document: unknown, scope: Scope): Clause[] {
  if (!Array.isArray(document)) return compileRule(document, 0, scope)
  return document.flatMap((rule, i) => compileRule(rule, i, { ...scope, path: [...scope.path, i] }))
}

function compileRule(rule: unknown, index: number, scope: Scope): Clause[] {
  if (!isObject(rule)) {
    scope.problems.error(scope.path, `A rule must be an object with allow or deny, not ${kindOf(rule)}.`)
    return []
  }
  return Object.entries(rule).flatMap(([key, body]) => {
    const path = [...scope.path, key]
    const action = actions.find((candidate) => candidate === key)
    if (action !== undefined) return compileAction(action, index, body, { ...scope, path })
    scope.problems.error(path, explainAction(key))
    return []
  })
}

function explainAction(key: string): string {
  if (key === 'rego') return 'Raw Rego cannot be decided by a sidecar: write the rule in PPL.'
  const isOperator = operators.some((operator) => operator === key)
  if (isOperator)
    return `The operator ${quote(key)} stands inside an action: write allow: {${key}: […]} or deny: {${key}: […]}.`
  return unknownName('action', key, actions)
}

function compileAction(action: Action, index: number, body: unknown, scope: Scope): Clause[] {
  const place: Place = { ...scope, action, isNegated: false }
  if (!isObject(body)) {
    fault(place, `Must be an object with the operators ${operators.join(', ')}, not ${kindOf(body)}.`)
    return []
  }
  return Object.entries(body).flatMap(([key, entries]) => {
    const operator = operators.find((candidate) => candidate === key)
    if (operator !== undefined) return compileOperator(operator, index, entries, inside(place, key))
    fault(inside(place, key), unknownName('operator', key, operators))
    return []
  })
}

function compileOperator(operator: Operator, index: number, entries: unknown, at: Place): Clause[] {
  const place: Place = { ...at, isNegated: operator === 'not' || operator === 'nor' }
  if (!Array.isArray(entries)) {
    fault(place, `Must be a list of criteria, each behind a dash, not ${kindOf(entries)}.`)
    return []
  }
  const criteria = entries.map((entry, i) => compileCriterion(entry, inside(place, i)))
  // An operator without criteria matches nothing; one with a broken part is refused as a whole by who reads the problems.
  if (criteria.length === 0 || !criteria.every((criterion) => criterion !== undefined)) return []
  const prefix = `${place.action}[${index}].${operator}`
  if (operator === 'or') return criteria.map((criterion) => makeClause(prefix, place, [criterion], 'and'))
  return [makeClause(prefix, place, criteria, operator)]
}

function makeClause(
  prefix: string,
  place: Place,
  criteria: readonly Criterion[],
  operator: Combination,
): Clause {
  const names = criteria.map((criterion) => criterion.name).join(', ')
  const test = place.action === 'allow' ? allowTest(operator, criteria) : denyTest(operator, criteria)
  return {
    ...decides(place.action, `${prefix} ${names}`, test),
    readsPath: criteria.some((criterion) => criterion.name === 'http_path'),
  }
}

/** A clause with its verdict; `reason` holds no claim. */
export function decides(action: Action, reason: string, test: FactsTest): Clause {
  const verdict = Object.freeze({ allowed: action === 'allow', denied: action === 'deny', reason })
  return { action, test, verdict, readsPath: false }
}

/** An allow clause matches only where all that it speaks of is there; whatever it says of anybody needs a caller. */
function allowTest(operator: Combination, criteria: readonly Criterion[]): FactsTest {
  const needs = new Set(criteria.map((criterion) => criterion.needs).filter((need) => need !== 'nothing'))
  const isThere = allOf(needs.size === 0 ? [] : [...needs.add('session')].map((need) => isPresent[need]))
  const combined = combinations[operator](criteria.map((criterion) => criterion.test))
  return (facts) => isThere(facts) && combined(facts)
}

/** Most rules have one criterion: it is asked without a detour. */
function allOf(tests: readonly FactsTest[]): FactsTest {
  const [only] = tests
  return only !== undefined && tests.length === 1 ? only : (facts) => tests.every((test) => test(facts))
}

type Combine = (tests: readonly FactsTest[]) => FactsTest

const combinations: Readonly<Record<Combination, Combine>> = {
  and: allOf,
  not: (tests) => (facts) => !tests.some((test) => test(facts)),
  nor: (tests) => (facts) => !tests.every((test) => test(facts)),
}

/**
 * A deny clause sees a caller who is nobody with what there is of them, so that `not: [domain: …]` denies them too.
 * What is not known of an original user or of the chain is false, negated or not: it neither denies nor, under
 * `nor`, keeps the others from denying.
 */
function denyTest(operator: Combination, criteria: readonly Criterion[]): FactsTest {
  const isNegated = operator !== 'and'
  const tests = criteria.map(({ needs, test }): FactsTest => {
    const isKnown = isPresent[needs === 'session' ? 'nothing' : needs]
    return (facts) => isKnown(facts) && test(facts) !== isNegated
  })
  if (operator === 'nor') return (facts) => tests.some((test) => test(facts))
  return allOf(tests)
}
