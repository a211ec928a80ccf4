// Reads the mesh file, with flags over environment over file over defaults, and sees to the files it refers to.
import { constants } from 'node:fs'
import { access, readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { loadMesh, type LoadedMesh } from '../shared/config/load.ts'
import type { Mesh } from '../shared/config/mesh.ts'
import type { Path, Problem } from '../shared/config/problem.ts'
import type { Override } from '../shared/config/source.ts'
import { didYouMean } from '../shared/config/suggest.ts'
import { readMaterial, readTrustMaterial, type Material, type MaterialFault } from './material.ts'

interface MeshSetting {
  readonly about: string
  /** The key of a service's entry that it replaces. */
  readonly path?: Path
  /** Several values are separated by commas. */
  readonly isList?: boolean
  /** A relative name is relative to the current folder and not to the mesh file. */
  readonly isFile?: boolean
}

/** The one table of flags; of each, the variable is ONBEHALF_ and its name in capitals. */
const meshSettings = {
  config: { about: 'The mesh file. Default: onbehalf.yaml in the current folder.', isFile: true },
  service: { about: 'The service that this sidecar stands beside.' },
  app: { about: 'The application beside the sidecar, such as http://127.0.0.1:8080.', path: ['app'] },
  mode: { about: 'enforce or report.', path: ['mode'] },
  'log-level': { about: 'debug, info, warn or error.', path: ['log', 'level'] },
  'log-format': { about: 'auto, json or text.', path: ['log', 'format'] },
  'listen-inbound': { about: 'Addresses for callers.', path: ['listen', 'inbound'], isList: true },
  'listen-outbound': { about: "Addresses for the app's calls.", path: ['listen', 'outbound'], isList: true },
  'listen-admin': { about: 'Addresses of the admin listener.', path: ['listen', 'admin'], isList: true },
  'listen-probes': { about: 'Addresses of the probes listener.', path: ['listen', 'probes'], isList: true },
  'admin-token-file': { about: 'File with the admin token.', path: ['admin_token_file'], isFile: true },
  certificate: {
    about: "File with the account's certificate.",
    path: ['credential', 'certificate'],
    isFile: true,
  },
  key: { about: 'File with its private key.', path: ['credential', 'key'], isFile: true },
  'token-file': {
    about: 'File with the token for routes via Pomerium.',
    path: ['credential', 'token_file'],
    isFile: true,
  },
  drain: { about: 'For requests under way after SIGTERM, such as 25s.', path: ['timeouts', 'drain'] },
  'drain-delay': {
    about: 'How long idle connections stay open after SIGTERM.',
    path: ['timeouts', 'drain_delay'],
  },
} as const satisfies Record<string, MeshSetting>

/** Read from the environment alone, for the injector writes them. */
const otherVariables = ['ONBEHALF_APP_PROBES', 'ONBEHALF_POD_IP', 'ONBEHALF_PRELOAD_DIR']

export type MeshFlag = keyof typeof meshSettings

const meshFlags = Object.keys(meshSettings) as MeshFlag[]

/** For `parseArgs` of node:util. */
export const meshOptions = Object.fromEntries(meshFlags.map((flag) => [flag, { type: 'string' }])) as Record<
  MeshFlag,
  { type: 'string' }
>

/** Lines for `--help`: each flag with its variable. */
export function describeMeshOptions(): string {
  return meshFlags
    .map((flag) => `  --${flag.padEnd(18)}${meshSettings[flag].about} (${variableOf(flag)})\n`)
    .join('')
}

export interface MeshQuestion {
  /** As `parseArgs` gives them; those that are no {@link MeshFlag} do not matter. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** The current folder, absolute. */
  readonly cwd: string
  /**
   * Which of the files that it names must be there and be of use. `trust`: those that say whom to trust; not the
   * service's own credential, nor key sets, which may come from elsewhere. Default: all.
   */
  readonly files?: 'all' | 'trust'
}

export interface MeshAnswer extends Pick<LoadedMesh, 'services' | 'policyKinds'> {
  /** Only where there is no error. */
  readonly mesh?: Mesh
  /** What the files hold that it names, where `files` asked for all of them. */
  readonly material?: Material | undefined
  /** Errors and warnings, sorted by their place; those from flags and variables first. */
  readonly problems: readonly Problem[]
  /** The mesh file: its absolute name and its text, empty where it could not be read. */
  readonly source: { readonly file: string; readonly text: string }
}

/** Never throws: whatever is wrong is a problem. */
export async function readMesh(question: MeshQuestion): Promise<MeshAnswer> {
  const config = given(question, 'config')
  const name = config?.value ?? 'onbehalf.yaml'
  const file = resolve(question.cwd, name)
  const variableProblems = unknownVariables(question.env)
  const text = await readText(file)
  if (typeof text !== 'string') {
    const message = `Cannot read ${name}: ${text.reason}. Name the mesh file by --config or ${variableOf('config')}.`
    const problem = outside('error', config?.source ?? name, message)
    const source = { file, text: '' }
    return { problems: [problem, ...variableProblems], services: [], policyKinds: new Map(), source }
  }
  const service = given(question, 'service')
  const overrides = readOverrides(question)
  const loaded = loadMesh({
    file: name,
    text,
    folder: dirname(file),
    ...(service === undefined ? {} : { service: service.value, serviceSource: service.source }),
    overrides,
  })
  const place = placing(name, loaded, overrides)
  const unreadable = await findUnreadable(loaded, place, question.files)
  const { material, faults } =
    unreadable.length > 0 || loaded.mesh === undefined ? noMaterial : await read(loaded.mesh, question.files)
  const fileProblems = [...unreadable, ...faults.map((fault) => placeFault(fault, loaded, place))]
  const problems = [...variableProblems, ...loaded.problems, ...fileProblems].sort(
    (a, b) => a.line - b.line || a.column - b.column,
  )
  const { mesh, services, policyKinds } = loaded
  const source = { file, text }
  const isSound = mesh !== undefined && fileProblems.length === 0
  return { ...(isSound ? { mesh, material } : {}), problems, services, policyKinds, source }
}

function variableOf(flag: MeshFlag): string {
  return `ONBEHALF_${flag.toUpperCase().replaceAll('-', '_')}`
}

/** The flag, or else the variable; an empty variable is none. */
function given({ flags, env }: MeshQuestion, flag: MeshFlag): { value: string; source: string } | undefined {
  const fromFlag = flags[flag]
  if (typeof fromFlag === 'string') return { value: fromFlag, source: `--${flag}` }
  const variable = variableOf(flag)
  const fromVariable = env[variable]
  return fromVariable === undefined || fromVariable === ''
    ? undefined
    : { value: fromVariable, source: variable }
}

function readOverrides(question: MeshQuestion): Override[] {
  return meshFlags.flatMap((flag) => {
    const setting: MeshSetting = meshSettings[flag]
    const chosen = given(question, flag)
    if (chosen === undefined || setting.path === undefined) return []
    const value = setting.isFile === true ? resolve(question.cwd, chosen.value) : chosen.value
    const parts = value.split(',').map((part) => part.trim())
    return [
      {
        path: setting.path,
        value: setting.isList === true && parts.length > 1 ? parts : value,
        source: chosen.source,
      },
    ]
  })
}

/** Kubernetes sets these in every pod beside a Service that is called onbehalf. */
const serviceLink = /_SERVICE_(HOST|PORT(_.+)?)$|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$/

function unknownVariables(env: MeshQuestion['env']): Problem[] {
  const known = [...meshFlags.map(variableOf), ...otherVariables]
  return Object.keys(env)
    .filter(
      (variable) =>
        variable.startsWith('ONBEHALF_') && !known.includes(variable) && !serviceLink.test(variable),
    )
    .map((variable) =>
      outside('warning', variable, `Is no variable that is read${didYouMean(variable, known) || '.'}`),
    )
}

function outside(severity: Problem['severity'], source: string, message: string): Problem {
  return { severity, file: source, line: 0, column: 0, path: [], message }
}

async function readText(file: string): Promise<string | { reason: string }> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    return { reason: reasonOf(error) }
  }
}

/** Makes the problem of a file: where the mesh file names it, or of the flag or variable that does. */
type Place = (path: Path, message: string) => Problem

function placing(meshFile: string, { locate }: LoadedMesh, overrides: readonly Override[]): Place {
  return (path, message) => {
    const override = overrides.find((each) => each.path.join() === path.join())
    if (override !== undefined) return outside('error', override.source, message)
    return { severity: 'error', file: meshFile, ...locate(path), path, message }
  }
}

/** Files that the mesh refers to and that are not there, or not for this user. */
async function findUnreadable(
  { files }: LoadedMesh,
  place: Place,
  needed: MeshQuestion['files'] = 'all',
): Promise<Problem[]> {
  const wanted = needed === 'all' ? files : files.filter(({ path }) => isTrustFile(path))
  const checked = await Promise.all(
    wanted.map(async ({ path, file }): Promise<Problem[]> => {
      const reason = await whyUnreadable(file)
      return reason === undefined ? [] : [place(path, `Cannot read ${file}: ${reason}.`)]
    }),
  )
  return checked.flat()
}

const noMaterial = { material: undefined, faults: [] } as const

async function read(
  mesh: Mesh,
  needed: MeshQuestion['files'] = 'all',
): Promise<{ readonly material: Material | undefined; readonly faults: readonly MaterialFault[] }> {
  if (needed === 'all') return readMaterial(mesh, Date.now)
  const { faults } = await readTrustMaterial(mesh)
  return { material: undefined, faults }
}

/** A file that can be read, but holds no certificate, key, token or key set that can be used. */
function placeFault({ file, message }: MaterialFault, { files }: LoadedMesh, place: Place): Problem {
  const path = files.find((reference) => reference.file === file)?.path ?? []
  return place(path, `${file}: ${message}.`)
}

/** `…issuers[0].ca`, `…mesh.ca`, `…mesh.trust[0].ca`. */
function isTrustFile(path: Path): boolean {
  return path.at(-1) === 'ca'
}

async function whyUnreadable(file: string): Promise<string | undefined> {
  try {
    await access(file, constants.R_OK)
    return (await stat(file)).isFile() ? undefined : 'it is not a file'
  } catch (error) {
    return reasonOf(error)
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  switch (code) {
    case 'ENOENT':
      return 'there is no such file'
    case 'EACCES':
      return 'this user may not read it'
    case 'EISDIR':
      return 'it is a folder'
    default:
      return code
  }
}
