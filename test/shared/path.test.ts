// Normal forms of paths, and the paths that have no single reading.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { decodePath, isAmbiguousPath, normalizePath } from '../../shared/path.ts'

const normalForms: [target: string, expected: string][] = [
  ['/', '/'],
  ['/a/b', '/a/b'],
  ['/a/b/', '/a/b/'],
  ['/a?b=/../c', '/a'],
  ['/a?', '/a'],
  ['/?a', '/'],
  ['/a/./b', '/a/b'],
  ['/a/../b', '/b'],
  ['/../../a', '/a'],
  ['/a/..', '/'],
  ['/a/b/..', '/a/'],
  ['/a/.', '/a/'],
  ['/..', '/'],
  ['//', '/'],
  ['//a//b//', '/a/b/'],
  ['/.well-known/x', '/.well-known/x'],
  ['/...', '/...'],
  ['/%61%7Eb', '/a~b'],
  ['/%2e%2E/a', '/a'],
  ['/a%2Fb', '/a%2Fb'],
  ['/a%2fb', '/a%2fb'],
  ['/%2561', '/%2561'],
  ['/%25%36%31', '/%2561'],
  ['/%4%31', '/%4%31'],
  ['/%zz/../%41', '/A'],
  ['/a%', '/a%'],
  ['/%40', '/%40'],
  ['*', '*'],
  ['', ''],
  ['a/../b', 'a/../b'],
]
for (const [target, expected] of normalForms) {
  test(`the path of ${JSON.stringify(target)} is ${JSON.stringify(expected)}`, () => {
    assert.equal(normalizePath(target), expected)
  })
}

const ambiguous = [
  '/%2e',
  '/a%2Eb',
  '/%2f',
  '/%2F',
  '/%5c',
  '/%5C',
  '/%252e',
  '/%252f',
  '/%255c',
  '/%25252e',
  '/%2525252F',
  '/%25%32%65',
  '/%25%35c',
  '/a\\b',
  '/.',
  '/..',
  '/a/.',
  '/a/..',
  '/./a',
  '/../a',
  '/a/../b',
  '/..;x',
  '/.;',
  '/a/..;x=1/b',
  '/..%3bx',
  '/..%3Bx',
  '/..%253bx',
  '//',
  '/a//b',
  '//a',
  '/%00',
  '/%0a',
  '/%1F',
  '/%7f',
  '/%2500',
  '/a\0',
  '/a\tb',
  '/a b',
  '/a\x7f',
  '/a#b',
  '/#',
  '/%',
  '/%2',
  '/%zz',
  '/a%%41',
  '/é',
  '/\u{1f600}',
  '/%c0%ae',
  '/%e0%80%af',
  '/%ff',
  '/..?x',
  '',
  'a',
  'http://a/b',
  '*?',
]
for (const target of ambiguous) {
  test(`${JSON.stringify(target)} is ambiguous`, () => assert.equal(isAmbiguousPath(target), true))
}

const plain = [
  '/',
  '/a',
  '/a/',
  '/a/b.c/..d/e..',
  '/.well-known/x',
  '/...',
  '/.../a',
  '/a;b=c',
  '/a.;b',
  '/;',
  '/a?x=//../%2e\\#%',
  '/?',
  '*',
  '/%20',
  '/%41',
  '/%40a',
  '/caf%C3%A9',
  '/100%25',
  '/100%25/x',
  '/%2541',
  '/%25',
  "/a:b@c!$&'()*+,=~_-",
  '/.%C3%A9',
]
for (const target of plain) {
  test(`${JSON.stringify(target)} is not ambiguous`, () => assert.equal(isAmbiguousPath(target), false))
}

test('a clean target without query is returned as it is', () => {
  const target = '/a/b;c/d'
  assert.equal(normalizePath(target), target)
})

test('decodePath decodes once, and leaves what is not UTF-8', () => {
  assert.equal(decodePath('/%40%2541%C3%A9'), '/@%41é')
  assert.equal(decodePath('/%ff%40'), '/%ff%40')
  assert.equal(decodePath('/%zz'), '/%zz')
})

const pieces = fc.constantFrom(
  '/',
  '.',
  '..',
  '%',
  '2',
  '5',
  'e',
  'f',
  '%2e',
  '%2F',
  '%25',
  '%41',
  '%c3%a9',
  'a',
  ';',
  '?',
  '\\',
  '#',
  '%5c',
  ' ',
)
const targets = fc.array(pieces, { maxLength: 14 }).map((list) => `/${list.join('')}`)
const runs = { numRuns: 5000 }

test('normalizePath is idempotent', () => {
  fc.assert(
    fc.property(fc.oneof(targets, fc.string()), (target) => {
      const once = normalizePath(target)
      assert.equal(normalizePath(once), once)
    }),
    runs,
  )
})

test('a normal path has no dot segment, no empty segment and no query', () => {
  fc.assert(
    fc.property(targets, (target) => {
      const path = normalizePath(target)
      assert.match(path, /^\//)
      assert.doesNotMatch(path, /\/\/|\?|\/\.\.?(?:\/|$)/)
    }),
    runs,
  )
})

test('a path that is not ambiguous normalises to itself, but for escapes of unreserved characters', () => {
  fc.assert(
    fc.property(targets, (target) => {
      fc.pre(!isAmbiguousPath(target))
      const path = target.split('?')[0] as string
      assert.equal(normalizePath(target), decodeUnreserved(path))
    }),
    runs,
  )
})

test('a path that is not ambiguous has the same segments to who decodes first, splits first, or decodes to the end', () => {
  const isSeparator = /[/\\]|^\.\.?$/
  fc.assert(
    fc.property(targets, (target) => {
      fc.pre(!isAmbiguousPath(target))
      for (const segment of (target.split('?')[0] as string).slice(1).split('/')) {
        let decoded = segment
        for (let depth = 0; depth < 5; depth++) {
          assert.doesNotMatch(decoded.split(';')[0] as string, isSeparator)
          decoded = decoded.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
            String.fromCharCode(Number.parseInt(hex, 16)),
          )
        }
      }
    }),
    runs,
  )
})

test('the query is never looked at', () => {
  fc.assert(
    fc.property(targets, fc.string(), (target, query) => {
      const path = target.split('?')[0] as string
      assert.equal(isAmbiguousPath(`${path}?${query}`), isAmbiguousPath(path))
      assert.equal(normalizePath(`${path}?${query}`), normalizePath(path))
    }),
    runs,
  )
})

function decodeUnreserved(path: string): string {
  return path.replaceAll(/%[0-9a-f]{2}/gi, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16))
    return /[A-Za-z0-9._~-]/.test(character) ? character : escape
  })
}
