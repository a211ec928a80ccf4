// What `verify-chain` answers: as data, and as text.
import type { Link } from '../../shared/evidence/link.ts'
import type { Mesh } from '../../shared/config/mesh.ts'
import { serviceAt } from '../../shared/evidence/rules.ts'
import type { Assertion } from '../../shared/identity.ts'
import { count, isoTime, quoteUnlessPlain } from './token-words.ts'

export interface ChainReport {
  readonly answer: 'verified' | 'refused' | 'cannot_tell'
  readonly service: string
  /** When it was asked about; ISO 8601. */
  readonly at: string
  /** Where it is not verified. */
  readonly refusal?: {
    /** Which link, from 1; without where it is about none or all of them. */
    readonly link?: number
    readonly why: string
  }
  readonly user?: {
    readonly issuer: string
    readonly subject: string
    readonly email?: string
    readonly issued: string
    readonly expires: string
  }
  /** Where the user came in. */
  readonly entry?: { readonly service: string; readonly host: string }
  readonly txn?: string
  /** Oldest first; where it is not verified, what the links say, as far as they can be read. */
  readonly hops: readonly Hop[]
  readonly notes: readonly string[]
}

export interface Hop {
  readonly link: number
  readonly account: string
  readonly from: string
  readonly to: string
  readonly route: string
  readonly host: string
  readonly at: string
  readonly key_id: string
}

/** @param entryHost where the user came in, by her token. */
export function hopsOf(links: readonly Link[], entryHost: string, mesh: Mesh): Hop[] {
  const serviceOf = (host: string) => serviceAt(host, mesh) ?? '?'
  return links.map(({ account, audience, route, issuedAt, keyId }, i) => ({
    link: i + 1,
    account,
    from: serviceOf(links[i - 1]?.audience ?? entryHost),
    to: serviceOf(audience),
    route,
    host: audience,
    at: isoTime(issuedAt),
    key_id: keyId,
  }))
}

export function userOf({
  principal,
  email,
  issuedAt,
  expiresAt,
}: Assertion): NonNullable<ChainReport['user']> {
  const { issuer, subject } = principal
  const times = { issued: isoTime(issuedAt), expires: isoTime(expiresAt) }
  return { issuer, subject, ...(email === '' ? {} : { email }), ...times }
}

export function formatChain(report: ChainReport): string {
  return [...headline(report), ...userLines(report), ...hopLines(report), ...noteLines(report)]
    .map((line) => `${line}\n`)
    .join('')
}

function headline({ answer, service, hops, refusal, at }: ChainReport): string[] {
  if (answer === 'verified') return [`VERIFIED: ${count(hops.length, 'hop')} to ${service}, as of ${at}`]
  const word = answer === 'refused' ? 'REFUSED' : 'CANNOT BE VERIFIED NOW'
  const which = refusal?.link === undefined ? '' : `link ${refusal.link}: `
  return [`${word}: ${which}${refusal?.why ?? ''}`, `  asked for ${service}, as of ${at}`]
}

function userLines({ user, entry, txn }: ChainReport): string[] {
  const lines: string[] = []
  if (user !== undefined) {
    const mail = user.email === undefined ? '' : ` ${quoteUnlessPlain(user.email)}`
    const name = quoteUnlessPlain(`${user.issuer}/${user.subject}`)
    lines.push(`  user   ${name}${mail}, token from ${user.issued} to ${user.expires}`)
  }
  if (entry !== undefined) lines.push(`  entry  ${entry.service} at ${quoteUnlessPlain(entry.host)}`)
  if (txn !== undefined) lines.push(`  txn    ${txn}`)
  return lines
}

function hopLines({ hops, answer, refusal }: ChainReport): string[] {
  if (hops.length === 0) return []
  const rows = hops.map((hop) => [
    String(hop.link),
    `${hop.from} → ${hop.to}`,
    quoteUnlessPlain(hop.account),
    `route ${quoteUnlessPlain(hop.route)}`,
    hop.at,
    `key ${quoteUnlessPlain(hop.key_id.slice(0, 16))}`,
    hop.link === refusal?.link ? '← this one' : '',
  ])
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  const lines = rows.map((row) =>
    `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd(),
  )
  return answer === 'verified' ? lines : ['  the links say, unverified:', ...lines]
}

function noteLines({ notes }: ChainReport): string[] {
  return notes.map((note) => `note: ${note}`)
}
