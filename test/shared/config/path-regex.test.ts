// Which path expressions are taken, and that those are fast.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePathRegex } from '../../../shared/config/path-regex.ts'

const accepted: readonly [source: string, matching: string, other: string][] = [
  ['/a/.*', '/a/b/c', '/b/a/'],
  ['^/api/v[0-9]+/.*$', '/api/v12/x', '/api/v/x'],
  ['/(public|static)/.*', '/static/x', '/private/x'],
  ['/(public/.*|static/.*)', '/public/', '/publicx'],
  ['/users/[^/]+/posts/[^/]+', '/users/a/posts/b', '/users/a/b/posts/c'],
  ['/a/.*/b/.*', '/a/x/y/b/z', '/a/x/c'],
  ['.*\\.json', '/x.json', '/x.jsonx'],
  ['(/[^/]+)?/x', '/a/x', '/a/b/x'],
  ['/[0-9a-f]{8}-[0-9a-f]{4}', '/0123abcd-0f0f', '/0123abcd-0f0'],
  ['/(?<id>[0-9]+)/x', '/12/x', '/x/x'],
  ['/[(?=]', '/=', '/x'],
  ['/[\\w\\-]+', '/a-b', '/a/b'],
]

for (const [source, matching, other] of accepted) {
  test(`${source} matches ${matching} and not ${other}`, () => {
    const parsed = parsePathRegex(source)
    assert.ok('value' in parsed, 'fault' in parsed ? parsed.fault : '')
    assert.equal(parsed.value.test(matching), true)
    assert.equal(parsed.value.test(other), false)
  })
}

const refused: readonly [source: string, why: RegExp][] = [
  ['/(a+)+', /repeats a group/],
  ['/(a|a)*b', /repeats a group/],
  ['/(a|ab){30}c', /repeats a group/],
  ['/(/[^/]+)*', /repeats a group/],
  ['/((a)?)*b', /repeats a group/],
  ['.*a.*b', /two repeats/],
  ['/\\w+\\w+x', /two repeats/],
  ['/.*?x.*?y', /two repeats/],
  ['/[^/]+(/|x)[^/]+y', /two repeats/],
  [`${'a?'.repeat(30)}${'a'.repeat(30)}`, /alternatives/],
  [`${'(a|a)'.repeat(20)}b`, /alternatives/],
  ['/a{2000}', /1000 times/],
  ['/(?=a)', /looks ahead/],
  ['/(?<!a)b', /looks ahead or behind/],
  ['/(a)\\1', /refers back/],
  ['/(?P<a>b)', /by \(\?P/],
  ['(?i)/admin', /flags/],
  ['/[[:alpha:]]', /not a valid/],
  ['/[a', /not a valid/],
  ['/a)|(.*', /not a valid/],
  [`/${'a'.repeat(600)}`, /512/],
]

for (const [source, why] of refused) {
  test(`${source.slice(0, 40)} is refused`, () => {
    const parsed = parsePathRegex(source)
    assert.match('fault' in parsed ? parsed.fault : 'accepted', why)
  })
}
