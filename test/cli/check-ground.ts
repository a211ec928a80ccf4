// What tests of `onbehalf check` share: a mesh whose files are there and whose sidecars do not run.
import type { TestContext } from 'node:test'
import { check } from '../../sidecar/cli/check.ts'
import type { Row } from '../../sidecar/cli/check-row.ts'
import { startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'

export interface Checked {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export async function runCheck(cwd: string, args: string[]): Promise<Checked> {
  const written = { stdout: '', stderr: '' }
  const stdout = { write: (text: string) => void (written.stdout += text) }
  const stderr = { write: (text: string) => void (written.stderr += text) }
  const status = await check(args, { stdout, stderr, env: {}, cwd })
  return { status, ...written }
}

export async function checkedMesh(t: TestContext, options: MeshOptions = {}): Promise<TestMesh> {
  return startMesh(t, { ...options, run: [] })
}

/** The rows as `STATUS check: message`, and the exit status. */
export async function rowsOf(mesh: TestMesh, ...args: string[]): Promise<{ status: number; rows: string[] }> {
  const asked = ['--config', mesh.meshFile, '--service', 'App', '-o', 'json', ...args]
  const { status, stdout, stderr } = await runCheck(mesh.folder, asked)
  if (stdout === '') throw new Error(stderr)
  const { rows } = JSON.parse(stdout) as { rows: Row[] }
  return { status, rows: rows.map((row) => `${row.status} ${row.check}: ${row.message}`) }
}
