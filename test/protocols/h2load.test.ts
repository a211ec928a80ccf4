// A load generator that is not ours finds nothing to complain of in HTTP/2.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { startSidecarProcess } from '../endurance/sidecar-process.ts'
import { hosts, startMesh } from '../support/mesh.ts'
import { missingProgram } from '../clients/child.ts'
import { aliceHeaders } from './websocket-ground.ts'

for (const scheme of ['http', 'https'] as const) {
  test(
    `h2load at ${scheme}://: 5,000 requests on 10 connections, 20 at once on each`,
    { skip: missingProgram('h2load') ?? false },
    async (t) => {
      const mesh = await startMesh(t, { run: [] })
      const sidecar = await startSidecarProcess(t, mesh, 'App')
      const [[name, token]] = Object.entries(await aliceHeaders(mesh)) as [[string, string]]
      const headers = ['-H', `${name}: ${token}`, '-H', `:authority: ${hosts.App}`]
      const load = ['-n', '5000', '-c', '10', '-m', '20', ...headers]
      const child = spawn('h2load', [...load, `${scheme}://127.0.0.1:${sidecar.inbound}/`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const report = await text(child.stdout)
      assert.match(
        report,
        /^requests: 5000 total, 5000 started, 5000 done, 5000 succeeded, 0 failed, 0 errored/m,
      )
      assert.match(report, /^status codes: 5000 2xx, 0 3xx, 0 4xx, 0 5xx/m)
    },
  )
}
