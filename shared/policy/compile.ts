// Compiles what a route says about who may use it, policy and shorthands, to one function; the validation of PPL.
import type { Path, ProblemSink } from '../config/problem.ts'
import type { Policy, PolicyVerdict } from './policy.ts'
import { compileRules, type Clause, type Scope } from './rule.ts'
import { compileShorthands, type Shorthand } from './shorthand.ts'

/** The raw values of a route's keys, as they stand in the mesh file. */
export type PolicySource = Readonly<Partial<Record<'policy' | Shorthand, unknown>>>

const noRuleMatched: PolicyVerdict = Object.freeze({
  allowed: false,
  denied: false,
  reason: 'no allow rule matched',
})
const isBroken: PolicyVerdict = Object.freeze({
  allowed: false,
  denied: true,
  reason: 'the policy has errors',
})

/**
 * Compiles a route's policy. `path` is the route's; every problem goes to `problems` with the path of the faulty
 * part, and nothing is thrown. A policy with an error denies everything: what is left of it could admit more than
 * was meant.
 */
export function compilePolicy(
  source: PolicySource,
  context: { readonly issuerNames: ReadonlySet<string> },
  path: Path,
  problems: ProblemSink,
): Policy {
  const counted = countErrors(problems)
  const scope: Scope = { path, problems: counted.sink, issuerNames: context.issuerNames }
  const hasPolicy = source.policy !== undefined && source.policy !== null
  const rules = hasPolicy ? compileRules(source.policy, { ...scope, path: [...path, 'policy'] }) : []
  const clauses = [...rules, ...compileShorthands(source, scope)]
  const readsPath = clauses.some((clause) => clause.readsPath)
  if (counted.errors() > 0) return { readsPath, evaluate: () => isBroken }
  const allow = clauses.filter((clause) => clause.action === 'allow')
  if (allow.length === 0) problems.warn(path, admitsNobody)
  return {
    readsPath,
    evaluate: evaluator(
      clauses.filter((clause) => clause.action === 'deny'),
      allow,
    ),
  }
}

const admitsNobody =
  'Admits nobody: no allow rule and no shorthand is given. Add a policy, or allow_any_authenticated_user: true for everybody who is signed in.'

function countErrors(problems: ProblemSink): { sink: ProblemSink; errors: () => number } {
  let errors = 0
  const sink: ProblemSink = {
    error: (path, message) => {
      errors++
      problems.error(path, message)
    },
    warn: (path, message) => problems.warn(path, message),
  }
  return { sink, errors: () => errors }
}

/** Deny before allow; the first clause that matches decides. */
function evaluator(deny: readonly Clause[], allow: readonly Clause[]): Policy['evaluate'] {
  const clauses = [...deny, ...allow]
  return (facts) => {
    for (const clause of clauses) if (clause.test(facts)) return clause.verdict
    return noRuleMatched
  }
}
