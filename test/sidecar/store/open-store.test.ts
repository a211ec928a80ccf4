// The store that the mesh file names is opened, and what the other would need is not loaded.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '../../..')

/** Whether ioredis is loaded after these settings were opened, in a process of its own. */
async function loadsClient(settings: string): Promise<boolean> {
  const program = `
    import { createRequire } from 'node:module'
    import { openStore } from './sidecar/store/open-store.ts'
    const log = { level: 'error', write() {} }
    const store = await openStore(${settings}, { now: Date.now, log })
    const loaded = Object.keys(createRequire(import.meta.url).cache).some((file) => file.includes('/ioredis/'))
    process.stdout.write(store.kind + ' ' + loaded)
    await store.close()`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: root,
  })
  assert.equal(stdout.split(' ')[0], /kind: '(\w+)'/.exec(settings)?.[1])
  return stdout.endsWith('true')
}

test('a store in memory loads no client of Redis', async () => {
  assert.equal(await loadsClient("{ kind: 'memory' }"), false)
})

test('a store in Redis loads it, also where there is none', async () => {
  const servers = "{ kind: 'standalone', address: { host: '127.0.0.1', port: 1 } }"
  const settings = `{ kind: 'redis', servers: ${servers}, tls: undefined, user: {}, revoker: undefined, prefix: 'x' }`
  assert.equal(await loadsClient(settings), true)
})
