// Whatever the file holds, the loader answers: with a mesh, or with problems that have a place.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { loadMesh } from '../../../shared/config/load.ts'
import { parsePathRegex } from '../../../shared/config/path-regex.ts'
import { readDocument } from '../../../shared/config/document.ts'

const design = readFileSync(new URL('good/design.yaml', import.meta.url), 'utf8')

function answers(text: string): void {
  const { mesh, problems } = loadMesh({ file: 'f', text, service: 'App' })
  const lineCount = text.split('\n').length
  for (const { line, column, file } of problems) {
    if (file !== 'f') continue
    assert.ok(line >= 1 && line <= lineCount, `line ${line} of ${lineCount}`)
    assert.ok(column >= 1)
  }
  assert.equal(
    mesh === undefined,
    problems.some((problem) => problem.severity === 'error'),
  )
}

/** Every path of a value, the root's included. */
function pathsOf(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, key]))]
}

function replaceAt(root: unknown, path: readonly (string | number)[], value: unknown): unknown {
  const copy = structuredClone(root)
  const last = path.at(-1)
  if (last === undefined) return value
  let container = copy as Record<string | number, unknown>
  for (const step of path.slice(0, -1)) container = container[step] as Record<string | number, unknown>
  container[last] = value
  return copy
}

const oddValue = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(
    null,
    '',
    [],
    {},
    [null],
    [[]],
    { a: null },
    -1,
    1.5,
    1e21,
    true,
    'mesh',
    'https://',
    '0s',
    '*',
  ),
)

test('any value in any place of a valid file is answered', () => {
  const valid = readDocument(design).value
  const paths = pathsOf(valid)
  fc.assert(
    fc.property(fc.constantFrom(...paths), oddValue, (path, value) => {
      answers(stringify(replaceAt(valid, path, value)))
    }),
    { numRuns: 400 },
  )
})

test('a valid file with a part cut out, doubled or put elsewhere is answered', () => {
  const edit = fc.tuple(fc.nat(design.length), fc.nat(200), fc.nat(design.length))
  fc.assert(
    fc.property(edit, fc.constantFrom('cut', 'double', 'move'), ([start, length, target], kind) => {
      const part = design.slice(start, start + length)
      const rest = design.slice(0, start) + (kind === 'double' ? part : '') + design.slice(start + length)
      answers(kind === 'cut' ? rest : rest.slice(0, target) + part + rest.slice(target))
    }),
    { numRuns: 200 },
  )
})

test('any text is answered', () => {
  const token = fc.constantFrom(
    'routes:',
    '- ',
    '\n',
    '  ',
    '{',
    '}',
    '[',
    ']',
    ': ',
    '&a ',
    '*a',
    '"',
    "'",
    '|',
    '!!x ',
    '---\n',
    '#',
    '? ',
    '<<',
    'a',
    '\t',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(token, { maxLength: 40 }).map((tokens) => tokens.join('')),
      ),
      answers,
    ),
    { numRuns: 400 },
  )
})

test('any regex is answered, and one that is taken matches whole paths only', () => {
  const token = fc.constantFrom(
    '/',
    'a',
    '.',
    '*',
    '+',
    '?',
    '(',
    ')',
    '|',
    '[',
    ']',
    '^',
    '-',
    '\\',
    'd',
    '{2}',
    '{1,',
    '}',
    '(?:',
    '(?<n>',
    '$',
  )
  fc.assert(
    fc.property(fc.array(token, { maxLength: 16 }), (tokens) => {
      const parsed = parsePathRegex(tokens.join(''))
      if ('value' in parsed)
        assert.ok(parsed.value.source.startsWith('^(?:') && parsed.value.source.endsWith(')$'))
    }),
    { numRuns: 2000 },
  )
})
