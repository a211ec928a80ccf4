// Runs `onbehalf token` as a person does, and keeps what it wrote.
import { token } from '../../sidecar/cli/token.ts'
import type { Verdict } from '../../sidecar/cli/token-verdict.ts'
import type { TestMesh } from '../support/mesh.ts'

export interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface Surroundings {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** What stands on standard input. */
  readonly input?: string
}

export async function runToken(args: readonly string[], around: Surroundings = {}): Promise<Outcome> {
  const { cwd = '/', env = {}, input } = around
  let stdout = ''
  let stderr = ''
  const io = {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    env,
    cwd,
  }
  const status = await token([...args], io, () => partsOf(input))
  return { status, stdout, stderr }
}

/** In two parts, as a pipe may give it. */
async function* partsOf(input: string | undefined): AsyncGenerator<string> {
  if (input === undefined) throw new Error('nothing was to be read from standard input')
  const middle = Math.floor(input.length / 2)
  yield input.slice(0, middle)
  yield input.slice(middle)
}

/** Asks on the mesh's own file, in its folder. */
export function verifyIn(mesh: TestMesh, service: string, ...args: string[]): Promise<Outcome> {
  return runToken(['verify', '--config', mesh.meshFile, '--service', service, ...args], { cwd: mesh.folder })
}

export async function verdictIn(
  mesh: TestMesh,
  service: string,
  ...args: string[]
): Promise<Verdict & { readonly status: number }> {
  const { status, stdout } = await verifyIn(mesh, service, ...args, '-o', 'json')
  return { ...(JSON.parse(stdout) as Verdict), status }
}

/** What no output may hold: payload and signature of a token, as they travel. */
export function secretParts(jwt: string): string[] {
  return jwt
    .split('.')
    .slice(1)
    .filter((part) => part.length > 16)
}
