// `onbehalf ca`: makes the certificates of a mesh on a laptop.
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { createAuthority, issueAccount } from '../ca.ts'
import type { Certified } from '../ca.ts'
import { CredentialFault } from '../credential/files.ts'
import { exitStatus } from './io.ts'
import type { Io } from './io.ts'
import { readOptions, type Options } from './options.ts'

const usage = `Usage:
  onbehalf ca init --issuer NAME [options]      makes the root of a mesh: ca.pem, and ca-key.pem, which only you may read
  onbehalf ca issue ACCOUNT [options]           makes a key for an account and certifies it

Makes the certificates of a mesh, for laptops and tests. In production use what
issues certificates already: cert-manager, SPIRE, step-ca.
Each has a --help of its own.

Example:
  onbehalf ca init --issuer mesh.example.com
  onbehalf ca issue api-access --dns app.example.com

Exit status: 0 done, 2 wrong use, or files that do not serve.
`

const exitWords = `
Exit status: 0 done, 2 wrong use, or files that do not serve.
`

const usages: Readonly<Record<string, string>> = {
  init: `Usage: onbehalf ca init --issuer NAME [--out DIR] [--days N] [--force]

Makes the root of a mesh: ca.pem, and ca-key.pem, which only you may read.

Options:
  --issuer NAME   mesh.issuer of the mesh file
  --out DIR       where to write (default: here)
  --days N        how long it is valid (default: 3650)
  --force         overwrite what is there
  -h, --help      this text

Example: onbehalf ca init --issuer mesh.example.com
${exitWords}`,
  issue: `Usage: onbehalf ca issue ACCOUNT [--ca DIR] [--out DIR] [--name FILE] [--issuer NAME] [--days N] [--dns NAME]... [--force]

Makes a key for an account and certifies it.

Options:
  --ca DIR        where ca.pem and ca-key.pem are (default: here)
  --out DIR       where to write (default: here)
  --name FILE     writes FILE.pem and FILE-key.pem (default: the account, with - for /)
  --issuer NAME   mesh.issuer of the mesh file (default: the one given to ca init)
  --days N        how long it is valid (default: 90)
  --dns NAME      a host that the certificate is for as well; may be repeated
  --force         overwrite what is there
  -h, --help      this text

Example: onbehalf ca issue api-access --dns app.example.com
${exitWords}`,
}

const caName = 'ca'
const maxDays = 36_500

/** The command was given something it cannot work with. */
class UsageFault extends Error {
  override readonly name = 'UsageFault'
}

/** Runs the command. @returns its exit status: 0 done, 2 wrong use or files that do not serve. */
export async function ca(args: string[], io: Io): Promise<number> {
  try {
    await runAction(args, io)
    return exitStatus.done
  } catch (error) {
    const message = messageOf(error)
    if (message === undefined) throw error
    io.stderr.write(`onbehalf ca: ${message}\n`)
    if (error instanceof UsageFault) io.stderr.write('See onbehalf ca --help.\n')
    return exitStatus.wrong
  }
}

async function runAction(args: string[], io: Io): Promise<void> {
  const [action, ...rest] = args
  if (args.includes('--help') || args.includes('-h')) {
    io.stdout.write(usages[action ?? ''] ?? usage)
    return
  }
  if (action === 'init') return init(rest, io)
  if (action === 'issue') return issue(rest, io)
  throw new UsageFault(action === undefined ? 'say init or issue' : `"${action}" is neither init nor issue`)
}

async function init(args: string[], io: Io): Promise<void> {
  const { values, positionals } = parse(args, {
    issuer: { type: 'string' },
    out: { type: 'string', default: '.' },
    days: { type: 'string', default: '3650' },
    force: { type: 'boolean', default: false },
  })
  if (positionals.length > 0) throw new UsageFault(`"${positionals[0]}" is one word too many`)
  if (values.issuer === undefined) throw new UsageFault('--issuer is missing (mesh.issuer of the mesh file)')
  const files = filesOf(values.out, caName)
  refuseExisting(files, values.force, io)
  const made = await createAuthority({
    issuer: values.issuer,
    days: parseDays(values.days),
    nowMs: Date.now(),
  })
  await writeFiles(files, made, io)
  io.stdout.write(
    `Wrote ${files.certificate} and ${files.key}, valid until ${dayOf(made)}. In a mesh file beside them:\n` +
      `  mesh: {issuer: ${values.issuer}, ca: ${basename(files.certificate)}}\n`,
  )
}

async function issue(args: string[], io: Io): Promise<void> {
  const { values, positionals } = parse(args, {
    ca: { type: 'string', default: '.' },
    out: { type: 'string', default: '.' },
    name: { type: 'string' },
    issuer: { type: 'string' },
    days: { type: 'string', default: '90' },
    dns: { type: 'string', multiple: true, default: [] },
    force: { type: 'boolean', default: false },
  })
  const [account, ...others] = positionals
  if (account === undefined)
    throw new UsageFault('the account is missing, as in onbehalf ca issue api-access')
  if (others.length > 0) throw new UsageFault(`"${others[0]}" is one word too many: one account at a time`)
  const authority = filesOf(values.ca, caName)
  const files = filesOf(values.out, parseBaseName(values.name ?? account.replaceAll('/', '-')))
  refuseAuthority(files, authority, io)
  refuseExisting(files, values.force, io)
  const made = await issueAccount({
    caPem: await readAuthorityFile(authority.certificate, io),
    caKeyPem: await readAuthorityFile(authority.key, io),
    issuer: values.issuer,
    account,
    dnsNames: values.dns,
    days: parseDays(values.days),
    nowMs: Date.now(),
  })
  await writeFiles(files, made, io)
  io.stdout.write(
    `Wrote ${files.certificate} and ${files.key}, valid until ${dayOf(made)}. In a mesh file beside them, at the service:\n` +
      `  credential: {certificate: ${basename(files.certificate)}, key: ${basename(files.key)}}\n`,
  )
}

function parse<const T extends Options>(args: string[], options: T) {
  try {
    return readOptions(args, options, true)
  } catch (error) {
    throw new UsageFault((error as Error).message)
  }
}

function parseDays(text: string): number {
  const days = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (days < 1 || days > maxDays) throw new UsageFault(`--days must be a whole number from 1 to ${maxDays}`)
  return days
}

function parseBaseName(name: string): string {
  if (!/^[\w][\w.-]*$/.test(name)) {
    throw new UsageFault(
      `"${name}" cannot be the name of a file: give letters, digits, ".", "_" and "-" (--name)`,
    )
  }
  return name
}

interface Files {
  readonly certificate: string
  readonly key: string
}

/** As the user named them: relative to where the command was called. */
function filesOf(directory: string, name: string): Files {
  return { certificate: join(directory, `${name}.pem`), key: join(directory, `${name}-key.pem`) }
}

function refuseExisting({ certificate, key }: Files, force: boolean, { cwd }: Io): void {
  const existing = [certificate, key].find((file) => existsSync(resolve(cwd, file)))
  if (existing !== undefined && !force) {
    throw new CredentialFault(`${existing} exists already; --force overwrites it`)
  }
}

/** Not even --force overwrites the CA with an account. */
function refuseAuthority(files: Files, authority: Files, { cwd }: Io): void {
  const kept = new Set([resolve(cwd, authority.certificate), resolve(cwd, authority.key)])
  const taken = [files.certificate, files.key].find((file) => kept.has(resolve(cwd, file)))
  if (taken !== undefined) throw new UsageFault(`${taken} is a file of the CA; give another --name or --out`)
}

async function readAuthorityFile(file: string, { cwd }: Io): Promise<string> {
  try {
    return await readFile(resolve(cwd, file), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new CredentialFault(
      `${file} does not exist; make a CA (onbehalf ca init), or say where it is (--ca DIR)`,
      { cause: error },
    )
  }
}

async function writeFiles(files: Files, made: Certified, { cwd }: Io): Promise<void> {
  await mkdir(resolve(cwd, files.key, '..'), { recursive: true })
  await writeWhole(resolve(cwd, files.key), made.keyPem, 0o600)
  await writeWhole(resolve(cwd, files.certificate), made.certificatePem, 0o644)
}

/** Under another name first: a file that is overwritten keeps its mode, and a running sidecar reads it half. */
async function writeWhole(file: string, text: string, mode: number): Promise<void> {
  const fresh = `${file}.new`
  await rm(fresh, { force: true })
  await writeFile(fresh, text, { mode, flag: 'wx' })
  await rename(fresh, file)
}

function dayOf({ notAfterMs }: Certified): string {
  return new Date(notAfterMs).toISOString().slice(0, 10)
}

function messageOf(error: unknown): string | undefined {
  if (error instanceof UsageFault || error instanceof CredentialFault) return error.message
  const { code, path } = error as NodeJS.ErrnoException
  if (code === undefined) return undefined
  const reason = { ENOENT: 'does not exist', EACCES: 'may not be accessed', EPERM: 'may not be accessed' }[
    code
  ]
  return `${path ?? 'a file'} ${reason ?? `cannot be used (${code})`}`
}
