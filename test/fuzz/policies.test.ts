// Policies, beside a naive interpreter: a sound one decides as it does; one with an error denies everybody, and says where.
import assert from 'node:assert/strict'
import { compilePolicy } from '../../shared/policy/compile.ts'
import type { Path } from '../../shared/config/problem.ts'
import type { Assertion } from '../../shared/identity.ts'
import type { Policy, PolicyFacts } from '../../shared/policy/policy.ts'
import { interpret, type Entry, type Rule } from '../shared/policy/interpreter.ts'
import { assertion, facts, issuerNames } from '../shared/policy/support.ts'
import { fuzz, type Chance } from './fuzz.ts'

const words = ['a', 'b', 'ab', 'a,b'] as const
const operators = ['and', 'or', 'not', 'nor'] as const
const odd = [null, '', 0, true, [], {}, [[]], 'a', { is: 'a' }, { in: ['a'] }, { has: '' }, { '': 1 }, -1]
const oddKeys = ['', 'and', 'allow', 'rego', '__proto__', 'claim/', 'claim/team/x', 'user', 'in', 'chain']

fuzz('policies', { cases: 4_000, atLeast: { outcome: 'sound, the same', oneIn: 4 } }, (chance) => {
  const sound = many(chance, 4, anyRule)
  const isChanged = chance(2) === 0
  const source: unknown = isChanged ? changed(sound, chance) : sound
  const { policy, errors } = compile(source)
  const request = anyRequest(chance)
  const { allowed, denied } = policy.evaluate(request)
  if (errors.length > 0) {
    for (const path of errors) assert.ok(stands(source, path), JSON.stringify({ source, path }))
    assert.deepEqual({ allowed, denied }, { allowed: false, denied: true }, JSON.stringify(source))
    return 'refused'
  }
  if (isChanged) return 'changed, and sound'
  assert.deepEqual({ allowed, denied }, interpret(sound, request), JSON.stringify({ source, request }))
  return 'sound, the same'
})

function compile(policy: unknown): { policy: Policy; errors: Path[] } {
  const errors: Path[] = []
  const sink = { error: (path: Path) => errors.push(path), warn: () => undefined }
  return { policy: compilePolicy({ policy }, { issuerNames }, [], sink), errors }
}

/** Whether a path leads to something that was written. */
function stands(source: unknown, [first, ...steps]: Path): boolean {
  if (first !== 'policy') return false
  let at = source
  for (const step of steps) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return false
    at = (at as Record<string, unknown>)[step]
  }
  return true
}

function one<T>(list: readonly T[], chance: Chance): T {
  return list[chance(list.length)] as T
}

function many<T>(chance: Chance, below: number, make: (chance: Chance) => T): T[] {
  return Array.from({ length: chance(below) }, () => make(chance))
}

function anyRule(chance: Chance): Rule {
  const list = many(chance, 4, anyEntry)
  return { [one(['allow', 'allow', 'deny'], chance)]: { [one(operators, chance)]: list } }
}

function anyEntry(chance: Chance): Entry {
  switch (chance(7)) {
    case 0:
      return { http_method: one(['GET', 'POST'], chance) }
    case 1:
      return { http_path: { starts_with: one(['/a', '/b'], chance) } }
    case 2:
      return { source_ip: one(['10.0.0.0/8', '192.0.2.1'], chance) }
    case 3:
      return one([{ accept: true }, { reject: true }, { cors_preflight: true }], chance)
    case 4:
      return { original_user: anyIdentity(chance) }
    case 5:
      return { chain: anyListMatcher(chance) }
    default:
      return anyIdentity(chance)
  }
}

function anyIdentity(chance: Chance): Entry {
  switch (chance(4)) {
    case 0:
      return { authenticated_user: true }
    case 1:
      return { [one(['groups', 'claim/team'], chance)]: anyListMatcher(chance) }
    default:
      return { [one(['user', 'email', 'domain'], chance)]: anyStringMatcher(chance) }
  }
}

function anyStringMatcher(chance: Chance): unknown {
  const key = one([undefined, 'is', 'not', 'contains', 'starts_with', 'ends_with', 'in', 'not_in'], chance)
  if (key === undefined) return one(words, chance)
  return { [key]: key.endsWith('in') ? [one(words, chance), one(words, chance)] : one(words, chance) }
}

function anyListMatcher(chance: Chance): unknown {
  const key = one([undefined, 'has', 'is', 'exclude'], chance)
  return key === undefined ? one(words, chance) : { [key]: one(words, chance) }
}

/** With something odd in one place, under one key, or with one key more. */
function changed(value: unknown, chance: Chance): unknown {
  if (typeof value !== 'object' || value === null || chance(6) === 0) return one(odd, chance)
  const keys = Object.keys(value)
  if (Array.isArray(value)) {
    const at = chance(value.length + 1)
    return value.toSpliced(at, 1, changed(value[at], chance))
  }
  const map = { ...value } as Record<string, unknown>
  const key = keys[chance(keys.length + 1)]
  if (key === undefined) return { ...map, [one(oddKeys, chance)]: one(odd, chance) }
  if (chance(4) > 0) return { ...map, [key]: changed(map[key], chance) }
  const { [key]: moved, ...others } = map
  return { ...others, [one(oddKeys, chance)]: moved }
}

function anyRequest(chance: Chance): PolicyFacts {
  return facts({
    caller: one([undefined, nobody, anySomebody(chance), anySomebody(chance)], chance),
    originalUser: chance(2) === 0 ? undefined : anySomebody(chance),
    chain: chance(2) === 0 ? undefined : many(chance, 3, () => one(words, chance)),
    method: one(['GET', 'POST'], chance),
    path: one(['/a', '/b/c', '/'], chance),
    corsPreflight: chance(2) === 0,
    peer: { address: one(['10.1.2.3', '192.0.2.1', '::1'], chance) },
  })
}

const nobody = assertion({ subject: '', email: 'a@a' })

function anySomebody(chance: Chance): Assertion {
  const team = one([undefined, 'a', 'a,b', ['a'], ['b', 'a']], chance)
  return assertion({
    subject: one(words, chance),
    email: one(['', 'a', 'a@a', 'b@ab', 'a@b@a'], chance),
    groups: many(chance, 3, () => one(words, chance)),
    claims: team === undefined ? {} : { team },
  })
}
