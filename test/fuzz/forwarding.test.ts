// Via, X-Forwarded-For and Forwarded: whatever came before, what we say of the hop is the last that a reader of lists finds.
import assert from 'node:assert/strict'
import { Refusal } from '../../shared/errors.ts'
import { headerValues } from '../../shared/head.ts'
import { refuseLoop, withForwarded, withVia, type Hop } from '../../shared/headers/forwarding.ts'
import { fuzz, type Chance } from './fuzz.ts'
import { mutated } from './mutation.ts'

const hop: Hop = {
  name: 'onbehalf-0123456789abcdef',
  httpVersion: '1.1',
  peer: '2001:db8::7',
  scheme: 'https',
}
const names = ['Via', 'X-Forwarded-For', 'Forwarded', 'x_forwarded_for', 'X-Other']
const values = [
  '1.1 a',
  '1.0 b (c, d), 2 e',
  '10.0.0.1, 10.0.0.2',
  'for=10.0.0.1;proto=http, for="[::1]:80";by="a, b"',
  'for="a\\"b"',
  '',
]
const pieces = [...',;="\\() \t1a[]:é'.split(''), `1.1 ${hop.name}`]

fuzz('forwarding', { cases: 10_000, atLeast: { outcome: 'goes on, with Forwarded', oneIn: 8 } }, (chance) => {
  const headers = anyHeaders(chance)
  const words = JSON.stringify(headers)
  const isLoop = headerValues(headers, 'via').some((value) => new RegExp(`[ \\t]${hop.name}`).test(value))
  if (loops(headers)) {
    assert.ok(isLoop, words)
    return 'a loop'
  }
  const next = withForwarded(withVia(headers, hop), hop)
  assert.equal(lastOf(next, 'via', commas), `1.1 ${hop.name}`, words)
  assert.throws(() => refuseLoop(next, hop), Refusal, words)
  assert.equal(lastOf(next, 'x-forwarded-for', commas), hop.peer, words)
  if (headerValues(next, 'forwarded').length === 0) return 'goes on'
  assert.equal(lastOf(next, 'forwarded', quotedMembers), `for="[${hop.peer}]";proto=https`, words)
  return 'goes on, with Forwarded'
})

function anyHeaders(chance: Chance): string[] {
  const fields = Array.from({ length: chance(5) }, () => [
    names[chance(names.length)] as string,
    mutated(values[chance(values.length)] as string, pieces, chance),
  ])
  return ['Host', 'a', ...fields.flat()]
}

function loops(headers: readonly string[]): boolean {
  try {
    refuseLoop(headers, hop)
    return false
  } catch (error) {
    assert.ok(error instanceof Refusal)
    return true
  }
}

function lastOf(
  headers: readonly string[],
  name: string,
  membersOf: (value: string) => string[],
): string | undefined {
  const found = headerValues(headers, name)
  assert.equal(found.length, 1, name)
  return membersOf(found[0] as string).at(-1)
}

const commas = (value: string): string[] => value.split(',').map((member) => member.trim())

/** RFC 9110 section 5.6.4, letter by letter. */
function quotedMembers(value: string): string[] {
  const members = ['']
  let isQuoted = false
  for (let i = 0; i < value.length; i++) {
    const letter = value[i] as string
    if (letter === '"') isQuoted = !isQuoted
    const taken = isQuoted && letter === '\\' ? `${letter}${value[++i] ?? ''}` : letter
    if (!isQuoted && letter === ',') members.push('')
    else members.push(`${members.pop() ?? ''}${taken}`)
  }
  return members.map((member) => member.trim())
}
