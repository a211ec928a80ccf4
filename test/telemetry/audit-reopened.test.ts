// SIGHUP opens the file of the audit anew, whatever the mesh file is worth at that moment.
import assert from 'node:assert/strict'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { send } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startMesh } from '../support/mesh.ts'

/** How many lines a file has. */
const linesIn = async (name: string) => (await readFile(name, 'utf8')).split('\n').length - 1

test('a file that was moved away while the mesh file cannot be used is left', async (t) => {
  const mesh = await startMesh(t, {
    run: ['App'],
    settings: { audit: { to: 'file', file: 'audit.jsonl' } },
  })
  const { sidecar, inbound } = mesh.sidecars.App
  const file = join(mesh.folder, 'audit.jsonl')
  await send({ port: inbound })
  await eventually(async () => (await linesIn(file)) === 1)
  await writeFile(mesh.meshFile, '{}')
  await rename(file, `${file}.1`)
  await sidecar.reload('SIGHUP')
  await send({ port: inbound })
  await sidecar.stop()
  assert.deepEqual([await linesIn(`${file}.1`), await linesIn(file)], [1, 1])
})
