// The certificates of the demo, made by the commands that a user would type.
import { readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Processes } from './processes.ts'
import type { Topology } from './topology.ts'

/** Another authority with the same names, whom nobody trusts. */
export const strangerFolder = 'stranger'
/** The authority that takes the place of the first one. */
const nextFolder = 'next'

/** Who certifies whom, and by what. */
export interface Issuing {
  readonly processes: Processes
  /** The built command. */
  readonly onbehalf: string
  readonly topology: Topology
}

export async function issueCertificates(issuing: Issuing): Promise<void> {
  const { folder } = issuing.topology
  for (const each of [folder, path.join(folder, strangerFolder)]) {
    await createAuthority(issuing, each)
    for (const account of accountsOf(issuing.topology)) await certify(issuing, account, each, each)
  }
}

/** Gives an account a new key and certificate in the place of what it has. */
export async function renewAccount(issuing: Issuing, account: string): Promise<void> {
  const { folder } = issuing.topology
  await certify(issuing, account, folder, folder)
}

export interface NextAuthority {
  /** The sidecars are told to trust it beside the first one. */
  add(): Promise<void>
  /** It certifies every account anew. */
  certify(): Promise<void>
  /** The sidecars are told to trust it alone. */
  removeFirst(): Promise<void>
}

export function planNextAuthority(issuing: Issuing): NextAuthority {
  const { topology } = issuing
  const next = path.join(topology.folder, nextFolder)
  const roots = path.join(topology.folder, 'ca.pem')
  const read = () => readFile(path.join(next, 'ca.pem'), 'utf8')
  return {
    add: async () => {
      await createAuthority(issuing, next)
      await replace(roots, (await readFile(roots, 'utf8')) + (await read()))
    },
    certify: async () => {
      for (const account of accountsOf(topology)) await certify(issuing, account, next, topology.folder)
    },
    removeFirst: async () => replace(roots, await read()),
  }
}

async function createAuthority({ processes, onbehalf, topology }: Issuing, folder: string): Promise<void> {
  await processes.run('ca', [onbehalf, 'ca', 'init', '--issuer', topology.meshIssuer, '--out', folder])
}

/** The command writes as Kubernetes does, by renaming. */
async function certify(
  { processes, onbehalf }: Issuing,
  account: string,
  caFolder: string,
  folder: string,
): Promise<void> {
  const files = ['--ca', caFolder, '--out', folder, '--force']
  await processes.run('ca', [onbehalf, 'ca', 'issue', account, ...files])
}

function accountsOf({ services }: Topology): string[] {
  return Object.values(services).flatMap(({ account }) => account ?? [])
}

/** By renaming: nobody reads half of it. */
async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}
