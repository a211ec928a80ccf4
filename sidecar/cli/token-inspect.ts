// `onbehalf token inspect`: shows what a token says, and that nobody has checked it.
import { clockSkewSeconds } from '../../shared/assertion/verify.ts'
import { exitStatus } from './io.ts'
import {
  decodeToken,
  isPomeriumToken,
  pomeriumTokenHint,
  pomeriumTokenWords,
  readCertificates,
  type CertificateReport,
  type DecodedToken,
  type Members,
} from './token-decode.ts'
import { isJson, parse, parseTime, readToken, type TokenCommand } from './token-input.ts'
import { count, escapeTreacherous, isoTime, quoteUnlessPlain, timeClaims, timeWords } from './token-words.ts'

const usage = `Usage: onbehalf token inspect [TOKEN] [--at TIME] [-o json]

Decodes a JWT and shows what it says: header, claims, times, certificates. VERIFIES NOTHING, and needs
no mesh file; whether a sidecar accepts it, onbehalf token verify tells.

  TOKEN               The token; @FILE reads it from a file, - or nothing from standard input.

Options:
  --at TIME           Show times as seen from then: 2026-01-15T12:00:00Z, or seconds since the epoch.
  -o, --output json   JSON alone on standard output.
  -h, --help          This text.

Example:
  curl -s http://127.0.0.1:8080/headers | jq -r '.["x-pomerium-jwt-assertion"]' | onbehalf token inspect

Exit status: 0 decoded; 1 it is no JWT that a sidecar can take apart; 2 wrong use.
`

export const inspect: TokenCommand = {
  usage,
  async run(args, io, openInput) {
    const { values, positionals } = parse(args, {
      at: { type: 'string' },
      output: { type: 'string', short: 'o' },
    })
    const json = isJson(values.output)
    const nowSeconds = (values.at === undefined ? Date.now() : parseTime(values.at)) / 1000
    const decoded = decodeToken(await readToken(positionals, { io, openInput }))
    const report = makeReport(decoded, nowSeconds)
    const text = json ? `${JSON.stringify(report, null, 2)}\n` : toText(report, decoded)
    io.stdout.write(escapeTreacherous(text))
    return decoded.fault === undefined ? exitStatus.done : exitStatus.no
  },
}

interface Report {
  readonly verified: false
  /** Why no sidecar can take it apart. */
  readonly fault: string | undefined
  readonly header: Members | undefined
  readonly claims: Members | undefined
  /** By claim: the moment, and what it means now. */
  readonly times: Readonly<Record<string, { readonly at: string; readonly words: string }>>
  readonly certificates: readonly CertificateReport[]
  readonly signature_bytes: number | undefined
  readonly notes: readonly string[]
}

function makeReport(decoded: DecodedToken, nowSeconds: number): Report {
  const { header, claims, fault, signatureBytes } = decoded
  return {
    verified: false,
    fault,
    header,
    claims,
    times: readTimes(claims ?? {}, nowSeconds),
    certificates: readCertificates(header?.['x5c'], nowSeconds),
    signature_bytes: signatureBytes,
    notes: [...notesOn(decoded, nowSeconds)],
  }
}

function readTimes(claims: Members, nowSeconds: number): Report['times'] {
  const times = timeClaims.flatMap((claim) => {
    const seconds = claims[claim]
    if (!isSeconds(seconds)) return []
    return [[claim, { at: isoTime(seconds), words: timeWords(claim, seconds, nowSeconds) }] as const]
  })
  return Object.fromEntries(times)
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** What a person would want to be told about it, and need not look up. */
function* notesOn(decoded: DecodedToken, nowSeconds: number): Generator<string> {
  const { header, claims, claimsFault } = decoded
  if (claims === undefined) return
  if (claimsFault !== undefined) {
    yield `no sidecar accepts it, whoever signed it: ${claimsFault} (assertion_malformed)`
  }
  if (isPomeriumToken(decoded)) yield `${pomeriumTokenWords}: ${pomeriumTokenHint}`
  else if (typeof header?.['alg'] === 'string' && /^(?:none|HS\d+)$/i.test(header['alg'])) {
    yield `no sidecar accepts alg ${JSON.stringify(header['alg'])}: only asymmetric signatures (assertion_algorithm)`
  }
  if (claims['sub'] === '') yield 'it is about nobody: Pomerium signs such a one where it lets anybody in'
  const [iat, exp] = [claims['iat'], claims['exp']]
  if (isSeconds(iat) && iat - nowSeconds > clockSkewSeconds) {
    yield 'it comes from the future: compare the clock of whoever signed it with this one'
  }
  if (isSeconds(iat) && isSeconds(exp) && exp < iat) yield 'it expires before it was issued'
}

const maxShown = 400

/** A value of a claim, on one line. */
function shown(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length <= maxShown
    ? text
    : `${text.slice(0, maxShown)}… (${text.length} characters; -o json shows all)`
}

function toText(report: Report, decoded: DecodedToken): string {
  const { fault, header, claims, notes } = report
  return [
    'NOTHING here was verified: anybody can write such a token.',
    ...(fault === undefined ? [] : [`It is no token that a sidecar takes apart: ${fault}.`]),
    ...(header === undefined && claims === undefined ? [] : body(report)),
    ...signatureLines(decoded),
    ...(notes.length === 0 ? [] : ['', 'notes', ...notes.map((note) => `  - ${note}`)]),
  ]
    .map((line) => `${line}\n`)
    .join('')
}

function body({ header, claims, times, certificates }: Report): string[] {
  return [
    ...section('header', withoutCertificates(header)),
    ...certificates.flatMap((each, i) => certificateLines(each, i)),
    ...section('claims', claims, (name) => timeOf(times, name)),
  ]
}

function timeOf(times: Report['times'], name: string): string | undefined {
  const time = Object.hasOwn(times, name) ? times[name] : undefined
  return time === undefined ? undefined : `${time.at}  ${time.words}`
}

function withoutCertificates(header: Members | undefined): Members | undefined {
  if (!Array.isArray(header?.['x5c'])) return header
  const { x5c, ...others } = header
  return { ...others, x5c: count(x5c.length, 'certificate') }
}

function section(
  title: string,
  members: Members | undefined,
  comment: (name: string) => string | undefined = () => undefined,
): string[] {
  if (members === undefined) return ['', title, '  cannot be read']
  const names = Object.keys(members)
  const width = Math.min(20, Math.max(0, ...names.map((name) => quoteUnlessPlain(name).length)))
  const lines = names.map((name) => {
    const more = comment(name)
    return `  ${quoteUnlessPlain(name).padEnd(width)}  ${shown(members[name])}${more === undefined ? '' : `  ${more}`}`
  })
  return ['', title, ...(lines.length === 0 ? ['  empty'] : lines)]
}

function certificateLines(each: CertificateReport, i: number): string[] {
  const { spiffe_id, not_before, not_after, words } = each
  const validity = not_before === undefined ? words : `valid ${not_before} to ${not_after}, ${words}`
  return [
    `    ${i === 0 ? 'account' : 'issuer '}  ${spiffe_id ?? 'no SPIFFE id'}`,
    `             ${validity}`,
  ]
}

function signatureLines({ signatureBytes }: DecodedToken): string[] {
  if (signatureBytes === undefined) return []
  return ['', `signature of ${count(signatureBytes, 'byte')}, not looked at`]
}
