// The first route that takes the path has it, and a path that could be read in two ways is refused where one is read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PathMatch, Route } from '../../shared/config/mesh.ts'
import { matchRoute, readPath } from '../../shared/routes.ts'
import { anyoneSignedIn, policyOf, refusalOf, routeOf } from '../support/tokens.ts'

const matching = (name: string, match: PathMatch): Route => routeOf({ name, match })
const prefix = (text: string): PathMatch => ({ kind: 'prefix', prefix: text })
const exactly = (path: string): PathMatch => ({ kind: 'path', path })
const regex = (source: string): PathMatch => ({ kind: 'regex', regex: new RegExp(`^(?:${source})$`, 'u') })

test('the first route that matches has the path, not the best', () => {
  const routes = [
    matching('first', prefix('/a')),
    matching('second', exactly('/a/b')),
    matching('rest', { kind: 'any' }),
  ]
  assert.equal(matchRoute(routes, 'match', '/a/b')?.name, 'first')
  assert.equal(matchRoute(routes, 'match', '/b')?.name, 'rest')
})

test('where no route matches there is none', () => {
  assert.equal(matchRoute([matching('a', exactly('/a'))], 'match', '/b'), undefined)
  assert.equal(matchRoute([], 'match', '/'), undefined)
})

const table: readonly (readonly [match: PathMatch, path: string, matches: boolean])[] = [
  [{ kind: 'any' }, '/', true],
  [{ kind: 'any' }, '*', true],
  [prefix('/a'), '/a', true],
  [prefix('/a'), '/ab', true],
  [prefix('/a/'), '/a', false],
  [prefix('/a'), '/A', false],
  [prefix('/a'), '/b/a', false],
  [exactly('/a'), '/a', true],
  [exactly('/a'), '/a/', false],
  [exactly('/a'), '/a/b', false],
  [regex('/a/[0-9]+'), '/a/1', true],
  [regex('/a/[0-9]+'), '/a/1/b', false],
  [regex('/a/[0-9]+'), '/x/a/1', false],
]
for (const [match, path, matches] of table) {
  test(`${JSON.stringify({ ...match, ...(match.kind === 'regex' && { regex: match.regex.source }) })} ${matches ? 'takes' : 'does not take'} ${path}`, () => {
    assert.equal(matchRoute([matching('a', match)], 'match', path) !== undefined, matches)
  })
}

test('a regex that was asked before answers the same again', () => {
  const routes = [matching('a', regex('/a'))]
  for (let i = 0; i < 3; i++) assert.equal(matchRoute(routes, 'match', '/a')?.name, 'a')
})

const readsPath = policyOf({ policy: [{ allow: { or: [{ http_path: { starts_with: '/a' } }] } }] })
const readers: Readonly<Record<string, Route>> = {
  'a prefix': matching('a', prefix('/a')),
  'a path': matching('a', exactly('/a')),
  'a regex': matching('a', regex('/a')),
  'a policy': routeOf({ policy: readsPath }),
}
for (const [what, route] of Object.entries(readers)) {
  test(`where ${what} reads it, an ambiguous path is refused`, () => {
    for (const path of ['/a/../b', '/a%2fb', '/a/%2e%2e/b', '//a', '/a\\b', '/a%252fb', '/a/..;/b']) {
      assert.equal(
        refusalOf(() => readPath([route], 'match', path)),
        'request_ambiguous',
        path,
      )
    }
  })

  test(`where ${what} reads it, a clear path is read without its query`, () => {
    assert.equal(readPath([route], 'match', '/a/b?c=../%2f'), '/a/b')
  })
}

test('one route of the host that reads the path is enough', () => {
  const routes = [routeOf({ policy: anyoneSignedIn }), matching('a', prefix('/a'))]
  assert.equal(
    refusalOf(() => readPath(routes, 'match', '/a/../b')),
    'request_ambiguous',
  )
})

test('where nobody reads it, any path passes', () => {
  const routes = [routeOf({ policy: anyoneSignedIn })]
  for (const path of ['/a/../b', '/a%2fb', '//a', '/a\\b', '*'])
    assert.doesNotThrow(() => readPath(routes, 'match', path))
})
