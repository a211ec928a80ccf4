// Both images, built once, and their file systems laid out: what the tests of images stand on.
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { missingProgram } from '../clients/child.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

export interface ImageConfig {
  readonly config: {
    readonly User: string
    readonly Entrypoint: readonly string[]
    readonly Cmd: readonly string[]
    readonly Env?: readonly string[]
    readonly Labels: Readonly<Record<string, string>>
    readonly WorkingDir?: string
  }
  readonly created: string
}

export interface BuiltImage {
  readonly digest: string
  readonly config: ImageConfig
  readonly layers: readonly string[]
  /** Its file system. */
  readonly root: string
}

/** Why none can be built here; undefined where they can. */
export function whyNoImages(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'images are built by root on Linux'
  return ['buildah', 'dpkg-deb', 'apt-get', 'strip', 'zstd']
    .map(missingProgram)
    .find((why) => why !== undefined)
}

export async function makeFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'onbehalf-image-'))
}

export interface BuildWishes {
  readonly base?: string
  /** Which one; both by default. */
  readonly only?: string
  readonly umask?: string
}

/** @returns what it printed; throws with its status as `code`. */
export async function buildImages(
  folder: string,
  { base = 'scratch', only = 'both', umask = '022' }: BuildWishes = {},
): Promise<string> {
  const script = join(root, 'deploy/image/build.sh')
  const env = { ...process.env, SOURCE_DATE_EPOCH: '1700000000' }
  const program = ['-c', `umask ${umask} && exec "$0" "$@"`, script, folder, '1.2.3', base, only]
  const { stdout } = await run('sh', program, { env, timeout: 300_000 })
  return stdout
}

async function json<T>(file: string): Promise<T> {
  return JSON.parse(await readFile(file, 'utf8')) as T
}

export async function readImage(folder: string, name: string): Promise<BuiltImage> {
  const blob = (digest: string) => join(folder, name, 'blobs', digest.replace(':', '/'))
  const index = await json<{ manifests: readonly { digest: string }[] }>(join(folder, name, 'index.json'))
  const digest = index.manifests[0]?.digest ?? ''
  const manifest = (await json(blob(digest))) as {
    config: { digest: string }
    layers: readonly { digest: string }[]
  }
  const at = join(folder, `root-${name}`)
  await rm(at, { recursive: true, force: true })
  await mkdir(at)
  for (const layer of manifest.layers) await run('tar', ['--zstd', '-xf', blob(layer.digest), '-C', at])
  return {
    digest,
    config: await json<ImageConfig>(blob(manifest.config.digest)),
    layers: manifest.layers.map((layer) => layer.digest),
    root: at,
  }
}

/** Its files and folders, by path from the root, without symbolic links. */
export async function filesOf({ root: at }: BuiltImage): Promise<readonly string[]> {
  const entries = await readdir(at, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isSymbolicLink())
    .map((entry) => join(entry.parentPath, entry.name).slice(at.length))
}
