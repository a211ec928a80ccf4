// Makes the issuers and trust domains of the mesh, and sees to it that each `iss` stands for one of them.
import { posix } from 'node:path'
import { meshIssuerName } from '../identity.ts'
import type { Issuer, Route, TrustDomain } from './mesh.ts'
import type { ProblemSink } from './problem.ts'
import type { EffectiveSettings } from './schema.ts'
import type { IssuerEntry } from './trust-schema.ts'

/** Relative file names are relative to the folder of the mesh file. */
export function resolveFile(folder: string, file: string): string {
  return posix.isAbsolute(file) ? file : posix.join(folder, file)
}

/** The name of an issuer's entry: the first without one is `1`. */
export function issuerName(entry: { readonly name?: string | undefined }, index: number): string {
  return entry.name ?? String(index + 1)
}

/** `hosts` are those of the routes: what `hostOnly` and `uri` can stand for. */
export function makeIssuers(
  entries: readonly IssuerEntry[],
  folder: string,
  hosts: ReadonlySet<string>,
  problems: ProblemSink,
): Issuer[] {
  const issuers = entries.map((entry, index) => makeIssuer(entry, index, folder, problems))
  for (const [index, issuer] of issuers.entries()) {
    if (issuer.name === meshIssuerName) {
      problems.error(
        ['issuers', index, 'name'],
        `"${meshIssuerName}" stands for this mesh's own accounts in policies; choose another name`,
      )
    }
    const earlier = issuers.findIndex((other) => other.name === issuer.name)
    if (earlier < index) {
      const message = `"${issuer.name}" is the name of issuers[${earlier}] too; policies could not tell them apart`
      problems.error(['issuers', index, 'name'], message)
    }
    findSharedForm(issuers.slice(0, index), issuer, index, hosts, problems)
  }
  return issuers
}

/** What stands for the forms of the token's own `aud`; anything else is an exact string. */
const issuerForms = ['hostOnly', 'uri']

function makeIssuer(entry: IssuerEntry, index: number, folder: string, problems: ProblemSink): Issuer {
  if (entry.ca !== undefined && entry.jwks.kind === 'file') {
    problems.warn(['issuers', index, 'ca'], 'has no effect: the keys come from a file')
  }
  for (const form of entry.issuer) {
    const meant = issuerForms.find(
      (known) => known !== form && known.toLowerCase() === form.toLowerCase().replace(/[_-]/g, ''),
    )
    if (meant === undefined) continue
    problems.warn(['issuers', index, 'issuer'], `"${form}" is taken as an exact iss; did you mean ${meant}?`)
  }
  return {
    name: issuerName(entry, index),
    exact: entry.issuer.filter((form) => form !== 'hostOnly' && form !== 'uri'),
    hostOnly: entry.issuer.includes('hostOnly'),
    uri: entry.issuer.includes('uri'),
    jwks:
      entry.jwks.kind === 'url' ? entry.jwks : { kind: 'file', file: resolveFile(folder, entry.jwks.file) },
    ...(entry.ca === undefined ? {} : { caFile: resolveFile(folder, entry.ca) }),
    algorithms: entry.algorithms,
    serviceAccounts: new Set(entry.service_accounts),
    ...(entry.edges === undefined
      ? {}
      : {
          edges: {
            sourceIp: entry.edges.source_ip ?? [],
            clientCertificate: entry.edges.client_certificate ?? [],
          },
        }),
    singleUse: entry.single_use,
    jwksFrom: new Set(entry.jwks_from ?? []),
  }
}

/**
 * Whether it is said who may present users' tokens.
 * @param isNeeded where everybody must bring evidence: it shows nothing where anybody may begin a chain with a token.
 */
export function checkEdges(entries: readonly IssuerEntry[], isNeeded: boolean, problems: ProblemSink): void {
  for (const [index, entry] of entries.entries()) reportEdges(entry, index, isNeeded, problems)
}

function reportEdges(entry: IssuerEntry, index: number, isNeeded: boolean, problems: ProblemSink): void {
  if (entry.edges === undefined) {
    if (entry.single_use) return
    const what = "has neither edges nor single_use: any downstream that holds a user's token could"
    const advice = 'Give edges.source_ip, the networks that Pomerium connects from'
    if (isNeeded) {
      const message = `${what} begin a chain with it, and \`evidence: require\` would show nothing. ${advice}`
      problems.error(['issuers', index], message)
    } else problems.warn(['issuers', index], `${what} present it at the entry. ${advice}`)
    return
  }
  if ((entry.edges.source_ip ?? []).length > 0 || (entry.edges.client_certificate ?? []).length > 0) return
  problems.error(
    ['issuers', index, 'edges'],
    'names nobody, so no user could come in; give source_ip, or remove edges',
  )
}

function findSharedForm(
  earlier: readonly Issuer[],
  issuer: Issuer,
  index: number,
  hosts: ReadonlySet<string>,
  problems: ProblemSink,
): void {
  for (const other of earlier) {
    const form =
      issuer.exact.find((iss) => accepts(other, iss, hosts)) ??
      other.exact.find((iss) => accepts(issuer, iss, hosts)) ??
      (issuer.hostOnly && other.hostOnly ? 'hostOnly' : issuer.uri && other.uri ? 'uri' : undefined)
    if (form === undefined) continue
    problems.error(
      ['issuers', index, 'issuer'],
      `issuer "${other.name}" accepts ${form} too; whose token it is must be certain`,
    )
  }
}

function accepts(issuer: Issuer, iss: string, hosts: ReadonlySet<string>): boolean {
  if (issuer.exact.includes(iss) || (issuer.hostOnly && hosts.has(iss))) return true
  return (
    issuer.uri &&
    iss.startsWith('https://') &&
    iss.endsWith('/') &&
    hosts.has(iss.slice('https://'.length, -1))
  )
}

/** This mesh first, then those that it trusts. */
export function makeTrustDomains(
  mesh: EffectiveSettings['mesh'],
  accounts: ReadonlySet<string>,
  folder: string,
): TrustDomain[] {
  const own =
    mesh.issuer === undefined || mesh.ca === undefined
      ? []
      : [{ name: meshIssuerName, issuer: mesh.issuer, caFile: resolveFile(folder, mesh.ca), accounts }]
  const others = mesh.trust.map((entry) => ({
    name: entry.issuer,
    issuer: entry.issuer,
    caFile: resolveFile(folder, entry.ca),
    accounts: new Set(entry.accounts),
  }))
  return [...own, ...others]
}

/** Its issuer and its CA are of use only together. */
export function checkOwnMesh(mesh: EffectiveSettings['mesh'], problems: ProblemSink): void {
  if (mesh.issuer === undefined && mesh.ca !== undefined) {
    problems.error(
      ['mesh', 'ca'],
      'stands without mesh.issuer, the name that the certificates and assertions of this mesh carry',
    )
  }
  if (mesh.issuer !== undefined && mesh.ca === undefined) {
    problems.error(
      ['mesh', 'issuer'],
      'stands without mesh.ca, the file with who may certify accounts of this mesh; `onbehalf ca init` makes one',
    )
  }
}

/** The `iss` of a mesh must be nobody else's. */
export function checkMeshNames(
  mesh: EffectiveSettings['mesh'],
  issuers: readonly Issuer[],
  routes: readonly Route[],
  problems: ProblemSink,
): void {
  const taken = new Map<string, string>()
  for (const route of routes) taken.set(route.host, `the host of route ${route.name}`)
  for (const issuer of issuers) {
    taken.set(issuer.name, `the name of issuer "${issuer.name}"`)
    for (const exact of issuer.exact) taken.set(exact, `the iss of issuer "${issuer.name}"`)
  }
  taken.set(meshIssuerName, `the name of this mesh's own accounts in policies`)
  const meshes = [
    { name: mesh.issuer, path: ['mesh', 'issuer'] },
    ...mesh.trust.map((entry, index) => ({ name: entry.issuer, path: ['mesh', 'trust', index, 'issuer'] })),
  ]
  for (const { name, path } of meshes) {
    if (name === undefined) continue
    const owner = taken.get(name)
    if (owner === undefined) taken.set(name, 'the name of another mesh')
    else problems.error(path, `is ${owner} too; a token's iss must say whose it is, so choose another name`)
  }
}
