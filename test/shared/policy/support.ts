// Facts and policies for the tests of PPL.
import assert from 'node:assert/strict'
import { formatPath, type Path } from '../../../shared/config/problem.ts'
import type { Assertion } from '../../../shared/identity.ts'
import { compilePolicy, type PolicySource } from '../../../shared/policy/compile.ts'
import type { Policy, PolicyFacts, PolicyVerdict } from '../../../shared/policy/policy.ts'

export const issuerNames: ReadonlySet<string> = new Set(['pomerium', 'partner', 'mesh'])

export function assertion(about: Partial<Assertion> & { subject?: string; issuer?: string } = {}): Assertion {
  const { subject = 'alice', issuer = 'pomerium', ...rest } = about
  return {
    token: 'header.payload.signature',
    tokenHash: '',
    kind: subject === '' ? 'anonymous' : 'user',
    principal: { issuer, subject },
    audience: 'app.example.com',
    email: subject === '' ? '' : `${subject}@example.com`,
    groups: [],
    name: '',
    sessionId: '',
    tokenId: '',
    issuedAt: 0,
    expiresAt: 300,
    keyId: 'key',
    claims: {},
    ...rest,
  }
}

export const alice = assertion()
export const bob = assertion({ subject: 'bob', email: 'bob@other.org' })
export const anonymous = assertion({ subject: '' })
export const account = assertion({
  subject: 'api-access',
  issuer: 'mesh',
  kind: 'service_account',
  email: '',
})

export function facts(given: Partial<PolicyFacts> = {}): PolicyFacts {
  return {
    caller: alice,
    originalUser: undefined,
    chain: undefined,
    method: 'GET',
    path: '/',
    corsPreflight: false,
    peer: { address: '192.0.2.1' },
    nowMs: Date.parse('2026-08-03T12:00:00Z'),
    ...given,
  }
}

export interface Compiled {
  readonly policy: Policy
  /** `path: message`, in the order of reporting. */
  readonly errors: string[]
  readonly warnings: string[]
}

export function compile(source: PolicySource, path: Path = ['routes', 0]): Compiled {
  const errors: string[] = []
  const warnings: string[] = []
  const policy = compilePolicy(source, { issuerNames }, path, {
    error: (at, message) => errors.push(`${formatPath(at)}: ${message}`),
    warn: (at, message) => warnings.push(`${formatPath(at)}: ${message}`),
  })
  return { policy, errors, warnings }
}

/** Compiles what must be without errors. */
export function sound(source: PolicySource): Policy {
  const { policy, errors } = compile(source)
  assert.deepEqual(errors, [])
  return policy
}

export function verdict(policy: unknown, given: Partial<PolicyFacts> = {}): PolicyVerdict {
  return sound({ policy }).evaluate(facts(given))
}

export function admits(policy: unknown, given: Partial<PolicyFacts> = {}): boolean {
  return verdict(policy, given).allowed
}

/** Whether one criterion admits, by an allow rule of its own. */
export function matches(criterion: unknown, given: Partial<PolicyFacts> = {}): boolean {
  return admits({ allow: { and: [criterion] } }, given)
}

/** The same for a deny rule beside a rule that accepts everybody. */
export function denies(rule: unknown, given: Partial<PolicyFacts> = {}): boolean {
  return !admits([{ allow: { or: [{ accept: true }] } }, { deny: rule }], given)
}
