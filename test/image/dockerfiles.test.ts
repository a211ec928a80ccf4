// The Dockerfiles, linted, and held to the rules that a linter does not know.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { validate } from 'dockerfile-utils'

const folder = join(import.meta.dirname, '../../deploy/image')

const rules: readonly (readonly [string, (lines: readonly string[]) => boolean])[] = [
  [
    'the program is started by itself and not by a shell',
    (lines) =>
      lines.filter((line) => /^(ENTRYPOINT|CMD) /.test(line)).every((line) => /^\w+ \[".*"\]$/.test(line)),
  ],
  [
    'the user is a number, for runAsNonRoot',
    (lines) => /^USER \d+:\d+$/.test(lines.findLast((line) => line.startsWith('USER ')) ?? ''),
  ],
  [
    'a base is scratch, or pinned by its digest',
    (lines) =>
      lines
        .filter((line) => /^(FROM|ARG BASE=)/.test(line))
        .every((line) =>
          /^FROM (scratch|\$\{BASE\})( AS \w+)?$|^ARG BASE=.+@sha256:[0-9a-f]{64}$/.test(line),
        ),
  ],
  ['nothing is fetched from elsewhere', (lines) => !lines.some((line) => /^ADD |https?:\/\//.test(line))],
  [
    'nothing is run: what is built is laid out before',
    (lines) => !lines.some((line) => line.startsWith('RUN ')),
  ],
]

for (const name of ['Dockerfile', 'Dockerfile.redirect']) {
  test(`${name} has no fault`, async () => {
    const text = await readFile(join(folder, name), 'utf8')
    assert.deepEqual(
      validate(text).map(({ message, range }) => `${range.start.line + 1}: ${JSON.stringify(message)}`),
      [],
    )
  })
  for (const [rule, holds] of rules)
    test(`${name}: ${rule}`, async () => {
      const text = await readFile(join(folder, name), 'utf8')
      assert.ok(holds(text.replaceAll('\\\n', '').split('\n')))
    })
}
