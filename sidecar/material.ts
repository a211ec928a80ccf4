// Reads the files that a mesh file names: roots, certificate, key, token. All that is wrong is reported together.
import { parseKeySet } from '../shared/assertion/key-set.ts'
import type { Authority } from '../shared/certificate/chain.ts'
import { parsePem } from '../shared/certificate/pem.ts'
import type { Mesh } from '../shared/config/mesh.ts'
import { meshIssuerName } from '../shared/identity.ts'
import { createCredential, type Credential } from './credential/credential.ts'
import { CredentialFault, parsePomeriumToken, parseRoots, readAccountCredential } from './credential/files.ts'
import { createLinker, type Linker } from './credential/linker.ts'
import { createMinter, type Minter } from './credential/minter.ts'
import { readPlainFile } from './plain-file.ts'
import type { CertificateFiles } from './tls/tls.ts'

/** What tokens are verified with, but for the issuers' keys. */
export interface TrustMaterial {
  readonly authorities: readonly Authority[]
  /** PEM of private CAs by the name of their issuer. */
  readonly caByIssuer: ReadonlyMap<string, string>
}

export interface Material extends TrustMaterial {
  readonly credential: Credential
  /** PEM of the private CAs of routes, by file. */
  readonly routeCas: ReadonlyMap<string, string>
  /** By which users' pseudonyms are made; undefined: by one of this start. */
  readonly pseudonymKey: string | undefined
  /** The account's certificate and key, as TLS is spoken with them. */
  readonly certificateFiles: CertificateFiles | undefined
}

/** What is wrong with a file; never with what the file holds. */
export interface MaterialFault {
  readonly file: string
  readonly message: string
}

export type MaterialResult<Kind extends TrustMaterial = Material> =
  | { readonly material: Kind; readonly faults: readonly [] }
  | { readonly material: undefined; readonly faults: readonly MaterialFault[] }

/** The files that {@link readMaterial} reads, to be watched. */
export function materialFiles(mesh: Mesh): string[] {
  const { certificateFile, keyFile, tokenFile } = mesh.credential
  const cas = [...mesh.trustDomains, ...mesh.issuers].map(({ caFile }) => caFile)
  const { pseudonymKeyFile } = mesh.telemetry
  return [...cas, ...routeCaFiles(mesh), certificateFile, keyFile, tokenFile, pseudonymKeyFile].filter(
    (file) => file !== undefined,
  )
}

function routeCaFiles({ routes }: Mesh): string[] {
  return [...new Set(routes.flatMap(({ tls }) => tls.caFile ?? []))]
}

export async function readMaterial(mesh: Mesh, now: () => number): Promise<MaterialResult> {
  const { attempt, faults } = collectFaults()
  const { authorities, caByIssuer } = await readTrust(mesh, attempt)
  for (const { jwks } of mesh.issuers) {
    if (jwks.kind === 'file')
      await attempt(jwks.file, async () => parseKeySet(await readPlainFile(jwks.file)))
  }
  const { certificateFile, tokenFile } = mesh.credential
  const signer = await attempt(certificateFile ?? '', () =>
    readSigner(
      mesh,
      authorities.find(({ name }) => name === meshIssuerName),
      now,
    ),
  )
  const token =
    tokenFile === undefined
      ? undefined
      : await attempt(tokenFile, async () => parsePomeriumToken(await readPlainFile(tokenFile)))
  const routeCas = new Map<string, string>()
  for (const file of routeCaFiles(mesh)) {
    const pem = await attempt(file, () => readCa(file))
    if (pem !== undefined) routeCas.set(file, pem)
  }
  const { pseudonymKeyFile } = mesh.telemetry
  const pseudonymKey =
    pseudonymKeyFile && (await attempt(pseudonymKeyFile, () => readPseudonymKey(pseudonymKeyFile)))
  if (faults.length > 0) return { material: undefined, faults }
  return {
    material: {
      pseudonymKey,
      authorities,
      routeCas,
      credential: createCredential(signer?.minter, token, signer?.linker),
      caByIssuer,
      certificateFiles: signer?.files,
    },
    faults: [],
  }
}

/** Without what is the service's own: tokens can be verified where its key is not. */
export async function readTrustMaterial(mesh: Mesh): Promise<MaterialResult<TrustMaterial>> {
  const { attempt, faults } = collectFaults()
  const material = await readTrust(mesh, attempt)
  return faults.length > 0 ? { material: undefined, faults } : { material, faults: [] }
}

/** Runs what reads a file; where it fails, the fault is kept and there is no result. */
type Attempt = <T>(file: string, read: () => T | Promise<T>) => Promise<T | undefined>

function collectFaults(): { attempt: Attempt; faults: MaterialFault[] } {
  const faults: MaterialFault[] = []
  const attempt: Attempt = async (file, read) => {
    try {
      return await read()
    } catch (error) {
      faults.push({ file, message: wordsFor(error) })
      return undefined
    }
  }
  return { attempt, faults }
}

async function readTrust(mesh: Mesh, attempt: Attempt): Promise<TrustMaterial> {
  const authorities: Authority[] = []
  for (const { name, issuer, accounts, caFile } of mesh.trustDomains) {
    const roots = await attempt(caFile, async () => parseRoots(await readPlainFile(caFile)))
    if (roots !== undefined) authorities.push({ name, issuer, accounts, roots })
  }
  const caByIssuer = new Map<string, string>()
  for (const { name, caFile } of mesh.issuers) {
    const pem = caFile === undefined ? undefined : await attempt(caFile, () => readCa(caFile))
    if (pem !== undefined) caByIssuer.set(name, pem)
  }
  return { authorities, caByIssuer }
}

/** Whatever signs with the key of the account. */
interface Signer {
  readonly minter: Minter
  readonly linker: Linker
  readonly files: CertificateFiles
}

async function readSigner(
  mesh: Mesh,
  authority: Authority | undefined,
  now: () => number,
): Promise<Signer | undefined> {
  const { certificateFile, keyFile } = mesh.credential
  if (certificateFile === undefined || keyFile === undefined || authority === undefined) return undefined
  const [certificatePem, keyPem] = await Promise.all([readPlainFile(certificateFile), readPlainFile(keyFile)])
  const { accounts } = mesh
  const account = readAccountCredential({ certificatePem, keyPem, authority, accounts, nowMs: now() })
  const options = { ...account, issuer: authority.issuer, now }
  const minter = createMinter(options)
  return {
    minter,
    linker: createLinker({ ...options, x5c: minter.x5c }),
    files: { cert: account.chain.map(String).join(''), key: keyPem },
  }
}

/** A CA that is none would show only when the first fetch fails. */
async function readCa(file: string): Promise<string> {
  const pem = await readPlainFile(file)
  if (parsePem(pem).some(({ label, der }) => label === 'CERTIFICATE' && der !== undefined)) return pem
  throw new CredentialFault('holds no certificate in PEM (-----BEGIN CERTIFICATE-----)')
}

const minPseudonymKeyLength = 32

async function readPseudonymKey(file: string): Promise<string> {
  const key = (await readPlainFile(file)).trim()
  if (key.length >= minPseudonymKeyLength) return key
  throw new CredentialFault(`holds fewer than ${minPseudonymKeyLength} characters: such a key can be guessed`)
}

function wordsFor(error: unknown): string {
  if (error instanceof CredentialFault || error instanceof TypeError) return error.message
  const code = (error as NodeJS.ErrnoException).code
  return code === undefined ? 'cannot be read' : `cannot be read (${code})`
}
