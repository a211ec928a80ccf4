// The Python of the page does what the page says: run behind real sidecars, with all users at once.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test, type TestContext } from 'node:test'
import { environment, kill, missingProgram, within } from '../clients/child.ts'
import { startMesh, type TestMesh } from '../support/mesh.ts'
import { onlyOf } from './expected.ts'
import { pageFile } from './page.ts'
import { callByHttp } from './served.ts'

const withoutPython = missingProgram('python3')

for (const [way, of] of [
  ['wsgi', 'a WSGI app that calls by urllib'],
  ['asgi', 'an ASGI app that calls by urllib'],
  ['requests', 'a WSGI app that calls by requests'],
] as const) {
  const missing = withoutPython ?? (way === 'requests' ? withoutRequests() : undefined)
  test(`${of}: each call leaves as the user who caused it`, { skip: missing ?? false }, async (t) => {
    const mesh = await startMeshOfPython(t)
    assert.deepEqual(await callByHttp(mesh, way), onlyOf('right'))
  })
}

/** Why requests cannot be used here; undefined where it can. */
function withoutRequests(): string | undefined {
  const { status } = spawnSync('python3', ['-c', 'import requests'])
  return status === 0 ? undefined : "Python's requests is not installed"
}

async function startMeshOfPython(t: TestContext): Promise<TestMesh> {
  const routes = { API: { aliases: ['localhost'] } }
  const mesh = await startMesh(t, { run: ['App', 'API'], routes })
  const [common, urllib, requests] = await examples()
  await writeFile(join(mesh.folder, 'onbehalf_example.py'), `${common}\n${urllib}`)
  await writeFile(
    join(mesh.folder, 'onbehalf_example_requests.py'),
    `from onbehalf_example import *\n${requests}`,
  )
  const child = spawn('python3', [join(import.meta.dirname, 'python-app.py')], {
    env: environment({
      API_URL: `http://localhost:${mesh.sidecars.App.outbound}`,
      PYTHONPATH: mesh.folder,
      PYTHONDONTWRITEBYTECODE: '1',
    }),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => kill(child))
  const [port] = await within(once(createInterface({ input: child.stdout }), 'line'), 'the app in Python')
  await mesh.writeMeshFile((file) => {
    Object.assign(file.services['App'] ?? {}, { app: `http://127.0.0.1:${String(port)}` })
  })
  await mesh.sidecars.App.sidecar.reload('the app in Python')
  return mesh
}

/** The page's Python, block by block. */
async function examples(): Promise<string[]> {
  const page = await readFile(pageFile, 'utf8')
  return [...page.matchAll(/```python\n([^]*?)```/g)].map(([, code = '']) => code)
}
