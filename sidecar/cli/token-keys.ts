// The issuers' keys by which a token is verified by hand: fetched as the sidecar does, or from files.
import { resolve } from 'node:path'
import type { Issuer, Mesh } from '../../shared/config/mesh.ts'
import type { IssuerKeys } from '../../shared/trust.ts'
import { IssuerKeySource } from '../keys/issuer-keys.ts'
import { describeError } from '../telemetry/log.ts'
import { UsageFault } from './token-input.ts'

/** Where each issuer's keys come from, with `jwks` replaced where a file was given. */
export interface KeyPlan {
  readonly issuers: readonly Issuer[]
  /** Those for which a file was given. */
  readonly given: readonly Issuer[]
  /** Nothing is fetched: an issuer whose keys are in no file has none. */
  readonly offline: boolean
}

/**
 * Reads `--keys`: `live`, `FILE` for the one issuer, or `NAME=FILE` for each.
 * @throws {UsageFault} a file for nobody or for several.
 */
export function planKeys(mesh: Mesh, given: readonly string[], offline: boolean, cwd: string): KeyPlan {
  const files = new Map<string, string>()
  const wanted = given.filter((text) => text !== 'live')
  if (wanted.length < given.length && (offline || wanted.length > 0)) {
    throw new UsageFault(
      '--keys live is what is done without --keys and --offline: give it alone, or not at all',
    )
  }
  for (const text of wanted) {
    const [name, file] = assign(text, mesh)
    if (files.has(name)) throw new UsageFault(`--keys: two files for issuer ${name}`)
    files.set(name, resolve(cwd, file))
  }
  const issuers = mesh.issuers.map((issuer): Issuer => {
    const file = files.get(issuer.name)
    return file === undefined ? issuer : { ...issuer, jwks: { kind: 'file', file } }
  })
  return { issuers, given: issuers.filter(({ name }) => files.has(name)), offline }
}

function assign(text: string, mesh: Mesh): [name: string, file: string] {
  const names = mesh.issuers.map(({ name }) => name)
  const named = names.find((name) => text.startsWith(`${name}=`))
  if (named !== undefined) return [named, text.slice(named.length + 1)]
  const [only, ...others] = names
  if (only === undefined) throw new UsageFault('--keys: the mesh file has no issuers')
  if (others.length === 0) return [only, text]
  throw new UsageFault(
    `--keys: say whose keys they are, as in --keys ${only}=${text}; the issuers are ${names.join(', ')}`,
  )
}

/** What became of one issuer's keys. */
export interface KeysReport {
  readonly issuer: string
  /** The address or the file. */
  readonly source: string
  /** Undefined where there are none: `problem` says why. */
  readonly kids?: readonly string[]
  readonly problem?: string
}

/** The keys of the issuers that were asked for, each asked once. Live state: to be closed. */
export class KeyRing {
  readonly #plan: KeyPlan
  readonly #caByIssuer: ReadonlyMap<string, string>
  readonly #nowMs: number
  readonly #reports = new Map<string, KeysReport>()
  readonly #loaded = new Map<string, IssuerKeys>()
  readonly #sources: IssuerKeySource[] = []

  /** @param nowMs the time that is asked about: keys that are there now are taken for those of then. */
  constructor(plan: KeyPlan, caByIssuer: ReadonlyMap<string, string>, nowMs: number) {
    this.#plan = plan
    this.#caByIssuer = caByIssuer
    this.#nowMs = nowMs
  }

  get loaded(): readonly IssuerKeys[] {
    return [...this.#loaded.values()]
  }

  /** Of the issuers that were asked for. */
  get reports(): readonly KeysReport[] {
    return [...this.#reports.values()]
  }

  wasAsked(issuer: Issuer): boolean {
    return this.#reports.has(issuer.name)
  }

  /** Asks the issuer. @throws {UsageFault} a file that holds no key set. */
  async load(issuer: Issuer): Promise<void> {
    const { jwks, name } = issuer
    const source = jwks.kind === 'url' ? jwks.url : jwks.file
    if (jwks.kind === 'url' && this.#plan.offline) {
      const problem = `keys unavailable (offline); fetch them where that is possible, and give --keys ${name}=FILE`
      this.#reports.set(name, { issuer: name, source, problem })
      return
    }
    const keys = await this.#read(issuer)
    if (typeof keys !== 'string') {
      this.#loaded.set(name, keys)
      this.#reports.set(name, { issuer: name, source, kids: [...keys.keys.byId.keys()] })
      return
    }
    if (jwks.kind === 'file') {
      throw new UsageFault(
        `the keys of issuer ${name} cannot be read from ${source}: ${keys}. Give --keys ${name}=FILE`,
      )
    }
    this.#reports.set(name, { issuer: name, source, problem: keys })
  }

  async close(): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.close()))
  }

  /** The keys, or in words why there are none. */
  async #read(issuer: Issuer): Promise<IssuerKeys | string> {
    let problem = 'no answer'
    const source = new IssuerKeySource({
      issuer,
      ca: this.#caByIssuer.get(issuer.name),
      now: () => this.#nowMs,
      onKeys: () => undefined,
      onFailure: (_, error) => {
        problem = wordsFor(error)
      },
    })
    this.#sources.push(source)
    await source.start()
    return source.current ?? problem
  }
}

function wordsFor(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES') return 'this user may not read it'
  return describeError(error).trim()
}
