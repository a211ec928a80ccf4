// Paths, beside URL as WHATWG has it: one that counts as clear is the same path to both, however it is spelled.
import assert from 'node:assert/strict'
import { decodePath, isAmbiguousPath, normalizePath } from '../../shared/path.ts'
import { fuzz, type Chance } from './fuzz.ts'
import { mutated } from './mutation.ts'

const segments = [
  'a',
  'b.c',
  '..',
  '.',
  '',
  '%2e',
  '%41',
  '%252e',
  '%c3%a9',
  '%ff',
  '@me',
  '..;x',
  '%2f',
  'a%20b',
  '~',
  ':',
]
const pieces = [
  ...'/.%?;#\\ \t\0\x7f\xe9aZ09~_-@:'.split(''),
  '%2e',
  '%2F',
  '%5c',
  '%25',
  '%00',
  '%',
  '%4',
  '//',
  '/../',
]

function anyPath(chance: Chance): string {
  const parts = Array.from({ length: 1 + chance(5) }, () => segments[chance(segments.length)] as string)
  return mutated(`/${parts.join('/')}${chance(4) === 0 ? '?q=/../%2e' : ''}`, pieces, chance)
}

fuzz('paths', { cases: 20_000, atLeast: { outcome: 'the same', oneIn: 16 } }, (chance) => {
  const target = anyPath(chance)
  const words = JSON.stringify(target)
  const normal = normalizePath(target)
  assert.equal(normalizePath(normal), normal, words)
  if (isAmbiguousPath(target)) return 'ambiguous'
  if (!target.startsWith('/')) return 'no path'
  const { pathname } = new URL(`http://a${target}`)
  assert.equal(decodePath(normal), decodePath(pathname), words)
  assert.equal(normal.replace(/%41/g, 'A'), normal, words)
  return 'the same'
})
