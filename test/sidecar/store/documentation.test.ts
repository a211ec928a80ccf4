// What deploy/redis/README.md shows is what the tests run with.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import * as v from 'valibot'
import { storeSchema } from '../../../shared/config/store-schema.ts'

const folder = join(import.meta.dirname, '../../../deploy/redis')
const readme = await readFile(join(folder, 'README.md'), 'utf8')
const blocks = [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, , text]) => text as string)

test('the users that it shows are those of users.acl', async () => {
  assert.ok(blocks.includes(await readFile(join(folder, 'users.acl'), 'utf8')))
})

const shown = blocks.find((block) => block.startsWith('store:')) as string

/** With the lines of these keys, and of what is said beside each form. */
function withForm(...keys: readonly string[]): unknown {
  const lines = shown.split('\n').flatMap((line) => {
    const form = /^ {4}(?:# )?(url|sentinels|master|sentinel|cluster):/.exec(line)?.[1]
    if (form === undefined) return [line]
    return keys.includes(form) ? [line.replace(/^ {4}# /, '    ')] : []
  })
  return (parse(lines.join('\n')) as { store: unknown }).store
}

for (const keys of [['url'], ['sentinels', 'master', 'sentinel'], ['cluster']]) {
  test(`the store that it shows with ${keys.join(', ')} has no key that is not known`, () => {
    const store = withForm(...keys) as { redis: object }
    assert.deepEqual(
      keys.filter((key) => !(key in store.redis)),
      [],
    )
    assert.deepEqual(v.safeParse(storeSchema, store).issues, undefined)
  })
}
