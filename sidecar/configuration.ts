// Holds what is in effect: the mesh file, the files it names, and the issuers' keys, as one snapshot swapped whole.
import { randomBytes } from 'node:crypto'
import { AccountVerdicts } from '../shared/assertion/account-verdicts.ts'
import type { Revocations } from '../shared/assertion/verify.ts'
import type { Issuer, Mesh } from '../shared/config/mesh.ts'
import { createPseudonyms, plainNaming, type Naming } from '../shared/pseudonyms.ts'
import { makeTrust, type IssuerKeys, type Trust } from '../shared/trust.ts'
import { FileWatch } from './file-watch.ts'
import { IssuerKeySource } from './keys/issuer-keys.ts'
import type { Asked } from './asking.ts'
import { materialFiles, readMaterial, type Material } from './material.ts'
import { whyNotPlain } from './plain-file.ts'
import { hintChannel, KeySharing } from './keys/key-sharing.ts'
import { createDocumentSeal } from './keys/sealed-document.ts'
import type { Current } from './runtime.ts'
import type { Store } from './store/store.ts'
import { createTls } from './tls/tls.ts'
import { describeError, type Log } from './telemetry/log.ts'

/** What reading a mesh file gave: a mesh, or what is wrong with it, one line each. */
export interface MeshReading {
  readonly mesh: Mesh | undefined
  /** What the files hold that it names, where they were read to check it. */
  readonly material?: Material | undefined
  readonly file: string
  /** Whether it ends as text files do; one that no longer does may be half-written. */
  readonly endsInNewline?: boolean
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
}

export interface ConfigurationOptions {
  readonly read: () => Promise<MeshReading>
  readonly now: () => number
}

/** A mesh file, or a file that it names, cannot be used. */
export class ConfigurationFault extends Error {
  override readonly name = 'ConfigurationFault'
  readonly lines: readonly string[]

  constructor(lines: readonly string[]) {
    super(lines.join('\n'))
    this.lines = lines
  }
}

/** Read and found to be good. */
export interface Loaded {
  /** When it began to be read, by the clock of the file system: milliseconds since the epoch. */
  readonly sinceMs: number
  readonly reading: MeshReading
  readonly mesh: Mesh
  readonly material: Material
}

/** @throws {ConfigurationFault} the mesh file, or a file that it names, cannot be used. */
export async function load(options: ConfigurationOptions): Promise<Loaded> {
  const sinceMs = Date.now()
  const reading = await options.read()
  const { mesh } = reading
  if (mesh === undefined) throw new ConfigurationFault(reading.errors)
  if (reading.material !== undefined) return { sinceMs, reading, mesh, material: reading.material }
  const { material, faults } = await readMaterial(mesh, options.now)
  if (material === undefined)
    throw new ConfigurationFault(faults.map(({ file, message }) => `${file}: ${message}`))
  return { sinceMs, reading, mesh, material }
}

/** What the configuration shares with other sidecars, and asks of its own. */
export interface Surroundings {
  readonly store: Store
  readonly revocations: Revocations
}

/** How often what cannot be used is looked at again. */
const retryMs = 5_000

/** Keeps the configuration: what was loaded at the start, later the last good one. */
export class Configuration {
  readonly warnings: readonly string[]
  readonly #options: ConfigurationOptions
  readonly #surroundings: Surroundings
  readonly #watch: FileWatch
  readonly #sinceMs: number
  readonly #endedInNewline: boolean
  #file: string
  #current: Current
  #sources = new Map<string, { readonly source: IssuerKeySource; readonly settings: string }>()
  #log: Log | undefined
  #reloading: Promise<void> = Promise.resolve()
  #onReload: () => void = () => undefined
  #retry: NodeJS.Timeout | undefined
  /** What was wrong with the last one that was refused. */
  #problems: readonly string[] = []
  /** Without a key that other sidecars have too. */
  readonly #ownNaming = createPseudonyms(randomBytes(32))
  /** When what is in effect was loaded; milliseconds since the epoch. */
  loadedAtMs: number
  /** Reloads refused since the last one that took effect. */
  failedReloads = 0
  /** Documents of the store that nobody signed whose signature counts. */
  rejectedDocuments = 0

  constructor(options: ConfigurationOptions, loaded: Loaded, surroundings: Surroundings) {
    this.#options = options
    this.#surroundings = surroundings
    this.#sinceMs = loaded.sinceMs
    this.loadedAtMs = options.now()
    this.#endedInNewline = loaded.reading.endsInNewline === true
    this.warnings = loaded.reading.warnings
    this.#file = loaded.reading.file
    this.#current = this.#assemble(loaded)
    const files = () => [this.#file, ...materialFiles(this.#current.snapshot.mesh)]
    this.#watch = new FileWatch(files, () => this.reload('a file changed'))
  }

  get current(): Current {
    return this.#current
  }

  /** The mesh file. */
  get file(): string {
    return this.#file
  }

  /** Why what is on disk is not in effect; empty when it is. */
  get problems(): readonly string[] {
    return this.#problems
  }

  /** Told each time that the configuration was reloaded. */
  onReload(listener: () => void): void {
    this.#onReload = listener
  }

  /** Begins to fetch keys and to watch files. */
  async start(log: Log): Promise<void> {
    this.#log = log
    const { store } = this.#surroundings
    store.subscribe(hintChannel, (hint) => this.#hear(hint))
    for (const { source } of this.#sources.values()) void source.start()
    await this.#watch.start(this.#sinceMs)
  }

  /** Reads everything anew. A fault leaves what is in effect in effect. */
  reload(why: string): Promise<void> {
    // One after the other: one that is under way may have read what was there before.
    this.#reloading = this.#reloading.then(() => this.#reload(why))
    return this.#reloading
  }

  /** Issuers whose keys were never loaded. */
  waitingFor(): readonly string[] {
    const { mesh, trust } = this.#current.snapshot
    return mesh.issuers.filter(({ name }) => !trust.keysByIssuer.has(name)).map(({ name }) => name)
  }

  async refetch(issuer: Issuer, keyId: string | undefined): Promise<Asked> {
    const entry = this.#sources.get(issuer.name)
    return entry === undefined ? 'unavailable' : entry.source.refetch(keyId)
  }

  async close(): Promise<void> {
    this.#watch.close()
    clearTimeout(this.#retry)
    await Promise.all([...this.#sources.values()].map(({ source }) => source.close()))
  }

  async #reload(why: string): Promise<void> {
    const before = await this.#watch.state()
    try {
      const loaded = await this.#load()
      if (await this.#hasChangedSince(before)) return
      this.#takeUp(loaded, why)
    } catch (error) {
      if (await this.#hasChangedSince(before)) return
      this.#refuse(error, why)
    }
  }

  /** What changed as it was read can be half of one and half of another; the watch is about to tell of it. */
  async #hasChangedSince(before: string): Promise<boolean> {
    return (await this.#watch.state()) !== before
  }

  async #load(): Promise<Loaded> {
    const fault = await whyNotPlain(this.#file)
    if (fault !== undefined) throw new ConfigurationFault([`${this.#file}: ${fault}`])
    const loaded = await load(this.#options)
    if (!this.#endedInNewline || loaded.reading.endsInNewline !== false) return loaded
    throw new ConfigurationFault([
      `${loaded.reading.file}: ends without a newline, as it did not before: it may be half-written`,
    ])
  }

  #takeUp(loaded: Loaded, why: string): void {
    const before = this.#current.snapshot.mesh
    this.#file = loaded.reading.file
    this.#current = this.#assemble(loaded)
    clearTimeout(this.#retry)
    this.loadedAtMs = this.#options.now()
    this.failedReloads = 0
    this.#problems = []
    this.#adopt(before, loaded.mesh)
    this.#onReload()
    this.#log?.write('info', 'configuration reloaded', { why })
    for (const warning of loaded.reading.warnings) this.#log?.write('warn', warning)
  }

  #refuse(error: unknown, why: string): void {
    this.#tryAgain()
    const problems = error instanceof ConfigurationFault ? error.lines : [describeError(error)]
    const isNews = JSON.stringify(problems) !== JSON.stringify(this.#problems)
    if (!isNews) return
    this.#problems = problems
    this.failedReloads++
    this.#log?.write('error', 'configuration not reloaded; the last good one stays in effect', {
      why,
      problems,
    })
  }

  /** What is wrong may be right in a while with no file changed: a certificate that begins in a moment. */
  #tryAgain(): void {
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => void this.reload('it could not be used before'), retryMs)
    this.#retry.unref()
  }

  /** What was settled at the start: the log's level follows, the rest is named. */
  #adopt(before: Mesh, mesh: Mesh): void {
    if (this.#log === undefined) return
    if (mesh.log.level !== before.log.level) this.#log.level = mesh.log.level
    const waiting = settledAtStart.filter(
      ([, read]) => JSON.stringify(read(mesh)) !== JSON.stringify(read(before)),
    )
    if (waiting.length === 0) return
    const keys = waiting.map(([key]) => key)
    this.#log.write('warn', 'changes that take effect at the next start', { keys })
  }

  #assemble({ mesh, material }: Loaded): Current {
    const keys = this.#renewSources(mesh, material)
    const known = this.#current?.snapshot.trust.certificates
    const trust = makeTrust(keys, material.authorities, new AccountVerdicts(), known)
    const { authorities, routeCas, certificateFiles: files, credential } = material
    const { revocations } = this.#surroundings
    const tls = createTls({ mesh, authorities, routeCas, files, revocations, now: this.#options.now })
    return { snapshot: { mesh, trust }, credential, tls, naming: this.#naming(mesh, material) }
  }

  #naming({ telemetry }: Mesh, { pseudonymKey }: Material): Naming {
    if (telemetry.users === 'plain') return plainNaming
    return pseudonymKey === undefined ? this.#ownNaming : createPseudonyms(Buffer.from(pseudonymKey))
  }

  /** Keeps the sources of issuers that did not change, with their keys; starts new ones, ends those that are gone. */
  #renewSources(mesh: Mesh, material: Material): IssuerKeys[] {
    const before = this.#sources
    this.#sources = new Map()
    const keys: IssuerKeys[] = []
    for (const issuer of mesh.issuers) {
      const ca = material.caByIssuer.get(issuer.name)
      const settings = JSON.stringify([issuer.jwks, ca, [...issuer.jwksFrom]])
      const kept = before.get(issuer.name)
      if (kept?.settings === settings) {
        this.#sources.set(issuer.name, kept)
        before.delete(issuer.name)
        if (kept.source.current !== undefined) keys.push({ ...kept.source.current, issuer })
        continue
      }
      const source = this.#createSource(issuer, ca)
      this.#sources.set(issuer.name, { source, settings })
      if (this.#log !== undefined) void source.start()
    }
    for (const { source } of before.values()) void source.close()
    return keys
  }

  #createSource(issuer: Issuer, ca: string | undefined): IssuerKeySource {
    return new IssuerKeySource({
      issuer,
      ca,
      now: this.#options.now,
      sharing: this.#createSharing(issuer),
      onKeys: (keys) => this.#acceptKeys(keys),
      onFailure: ({ name, jwks }, error) => {
        this.#log?.write('error', 'the keys of an issuer cannot be fetched', {
          issuer: name,
          from: jwks.kind === 'url' ? jwks.url : jwks.file,
          cause: describeError(error),
        })
      },
    })
  }

  #createSharing({ jwks, jwksFrom }: Issuer): KeySharing | undefined {
    const { store, revocations } = this.#surroundings
    if (store.kind === 'memory' || jwks.kind !== 'url') return undefined
    const { now } = this.#options
    const seal = createDocumentSeal({
      accounts: jwksFrom,
      minter: () => this.#current.credential.minter,
      trust: () => this.#current.snapshot.trust,
      revocations,
      onRejected: () => void this.rejectedDocuments++,
      now,
    })
    return new KeySharing({ store, url: jwks.url, seal, now })
  }

  /** @param hint undefined: some may have been missed; the next refresh, or the next unknown key, sees what changed. */
  #hear(hint: string | undefined): void {
    if (hint === undefined) return
    for (const { source } of this.#sources.values()) void source.hear(hint)
  }

  #acceptKeys(keys: IssuerKeys): void {
    const { snapshot } = this.#current
    const { name } = keys.issuer
    const issuer = snapshot.mesh.issuers.find((entry) => entry.name === name)
    if (issuer === undefined) return
    const known = snapshot.trust.keysByIssuer.get(name)
    const keysByIssuer = new Map(snapshot.trust.keysByIssuer).set(name, { ...keys, issuer })
    const trust: Trust = { ...snapshot.trust, keysByIssuer }
    if (known?.keys === keys.keys) {
      this.#current = { ...this.#current, snapshot: { ...snapshot, trust } }
      return
    }
    const count = keys.keys.byId.size
    const isEmpty = count === 0
    this.#log?.write(
      isEmpty ? 'warn' : 'info',
      isEmpty ? 'the issuer publishes no key that can be used' : 'keys loaded',
      {
        issuer: name,
        keys: count,
      },
    )
    // What was verified by a key that is gone must not stay verified.
    this.#current = { ...this.#current, snapshot: { ...snapshot, trust: forgetVerified(trust) } }
  }
}

/** What listeners and logs were made with. */
const settledAtStart: readonly (readonly [key: string, read: (mesh: Mesh) => unknown])[] = [
  ['listen', (mesh) => mesh.listen],
  ['store', (mesh) => mesh.store],
  ['admin_token_file', (mesh) => mesh.adminTokenFile],
  ['limits.header_bytes', (mesh) => mesh.limits.headerBytes],
  ['limits.connections', (mesh) => mesh.limits.connections],
  ['timeouts.headers', (mesh) => mesh.timeouts.headersMs],
  ['timeouts.idle', (mesh) => mesh.timeouts.idleMs],
  ['log.format', (mesh) => mesh.log.format],
  ['log.lines_per_second', (mesh) => mesh.log.linesPerSecond],
  ['audit', (mesh) => mesh.audit],
]

function forgetVerified(trust: Trust): Trust {
  return makeTrust(
    [...trust.keysByIssuer.values()],
    [...trust.authorities.values()],
    trust.accountVerdicts,
    trust.certificates,
  )
}
