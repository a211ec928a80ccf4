// The Dockerfiles, linted, and held to the rules that a linter does not know.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { validate } from 'dockerfile-utils'

const run = promisify(execFile)
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

test('the image and the unit bound new objects alike, by a flag that this Node takes', async () => {
  const [image, unit] = await Promise.all(
    [join(folder, 'Dockerfile'), join(folder, '../systemd/onbehalf@.service')].map((file) =>
      readFile(file, 'utf8'),
    ),
  )
  const options = /^ENV NODE_OPTIONS=(--max-semi-space-size=\d)$/m.exec(image ?? '')?.[1]
  assert.ok(options !== undefined)
  assert.ok(unit?.includes(`\nEnvironment=NODE_OPTIONS=${options}\n`))
  const semiSpaceBytes = Number(options.split('=')[1]) * 1024 * 1024
  const ask = 'require("node:v8").getHeapSpaceStatistics().find((space) => space.space_name === "new_space")'
  const churn = 'const kept = []; for (let i = 0; i < 1e6; i++) kept[i % 30000] = {i}'
  const { stdout } = await run(process.execPath, ['-p', `${churn}; ${ask}.space_size`], {
    env: { ...process.env, NODE_OPTIONS: options },
  })
  assert.ok(Number(stdout) <= 3 * semiSpaceBytes, stdout)
})
