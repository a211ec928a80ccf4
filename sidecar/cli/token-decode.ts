// Takes a token apart for a person: what of it can be read, and why exactly the rest cannot. Verifies nothing.
import { readClaims } from '../../shared/assertion/claims.ts'
import { MalformedToken, parseJws } from '../../shared/assertion/jws.ts'
import { ChainFault } from '../../shared/certificate/chain.ts'
import { parseCertificate, readFields } from '../../shared/certificate/fields.ts'
import { certificateTimeWords, isoTime } from './token-words.ts'

export type Members = Readonly<Record<string, unknown>>

export interface DecodedToken {
  /** Undefined where it cannot be read. */
  readonly header: Members | undefined
  /** Undefined where they cannot be read. */
  readonly claims: Members | undefined
  /** Undefined where there is no third part that can be read. */
  readonly signatureBytes: number | undefined
  /** Why no sidecar can take it apart; undefined where it can. Holds no value of the token. */
  readonly fault: string | undefined
  /** Why no sidecar accepts its claims as an assertion's, whoever signed them. */
  readonly claimsFault: string | undefined
}

/** What a sidecar reads of a token, and where that is nothing, all that can be read. */
export function decodeToken(token: string): DecodedToken {
  const parts = token.split('.')
  const [header, payload, signature] = parts.map(readPart)
  const read = {
    header: objectOf(header),
    claims: objectOf(payload),
    signatureBytes: signature?.bytes?.length,
  }
  const strict = faultOf(() => parseJws(token))
  if (strict === undefined) {
    const claimsFault = faultOf(() => readClaims(parseJws(token).payload))
    return { ...read, fault: undefined, claimsFault }
  }
  return { ...read, fault: explain(parts) ?? strict, claimsFault: undefined }
}

function faultOf(run: () => unknown): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if (error instanceof MalformedToken) return error.message
    throw error
  }
}

interface Part {
  /** Undefined where it is not base64url, however lenient one is. */
  readonly bytes: Buffer | undefined
  /** Why it is not canonical base64url. */
  readonly fault: string | undefined
}

function readPart(text: string): Part {
  const fault = encodingFault(text)
  // Padding and the other alphabet can be read, even if no sidecar does.
  const isReadable = /^[\w+/-]*={0,2}$/.test(text)
  return { bytes: isReadable ? Buffer.from(text, 'base64url') : undefined, fault }
}

const foreignCharacters: readonly (readonly [pattern: RegExp, words: string])[] = [
  [/^=/, 'is padded with "="'],
  [/^[+/]/, 'is in base64 and not in base64url: it has "+" or "/"'],
  [/^\s/, 'has a blank or the end of a line in it, as text copied from a terminal has'],
  [/^%/, 'is percent-encoded'],
]

function encodingFault(text: string): string | undefined {
  const at = text.search(/[^\w-]/)
  if (at !== -1) {
    const known = foreignCharacters.find(([pattern]) => pattern.test(text.slice(at)))
    const words = known?.[1] ?? 'has a character that is not of base64url'
    return `${words} (character ${at + 1} of ${text.length})`
  }
  if (text.length % 4 === 1) return `is cut off, or has a character too many (${text.length} characters)`
  const isCanonical = Buffer.from(text, 'base64url').toString('base64url') === text
  return isCanonical ? undefined : 'has stray bits in its last character: it was changed, or cut off'
}

function objectOf(part: Part | undefined): Members | undefined {
  const value = jsonOf(part)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return isTooDeep(value) ? undefined : (value as Members)
}

/** Far deeper than any claim: `JSON.parse` nests without end, but what shows a claim runs out of stack. */
const maxDepth = 100

function isTooDeep(value: object, depth = 0): boolean {
  if (depth > maxDepth) return true
  return Object.values(value).some(
    (item: unknown) => typeof item === 'object' && item !== null && isTooDeep(item, depth + 1),
  )
}

function jsonOf(part: Part | undefined): unknown {
  try {
    return JSON.parse(part?.bytes?.toString('utf8') ?? '')
  } catch {
    return undefined
  }
}

const partNames = [
  'the header (first part)',
  'the payload (second part)',
  'the signature (third part)',
] as const

/** Closer than the sidecar's own words, where there is something closer to say. */
function explain(parts: readonly string[]): string | undefined {
  if (parts.length !== 3) return `it has ${partsWords(parts.length)}; a JWT has three, with dots between them`
  for (const [i, name] of partNames.entries()) {
    const text = parts[i] as string
    if (text === '' && i < 2) return `${name} is empty`
    const { fault, bytes } = readPart(text)
    if (fault !== undefined) return `${name} ${fault}`
    const member = i < 2 && bytes !== undefined ? repeatedMember(bytes) : undefined
    if (member !== undefined) return `${name} has the member ${member} twice`
  }
  return undefined
}

function partsWords(count: number): string {
  if (count === 1) return 'one part (a session cookie, an opaque access token or a handle is no JWT)'
  return count === 5
    ? 'five parts: it is encrypted (JWE), and only who holds the key can read it'
    : `${count} parts`
}

const structure = /"(?:\\.|[^"\\])*"(\s*:)?|[{}[\]]/g

/** The first name that stands twice in one object, in quotes. */
function repeatedMember(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8')
  if (jsonOf({ bytes, fault: undefined }) === undefined) return undefined
  const open: Set<string>[] = []
  for (const [lexeme, colon] of text.matchAll(structure)) {
    if (lexeme === '{' || lexeme === '[') open.push(new Set())
    else if (lexeme === '}' || lexeme === ']') open.pop()
    else if (colon !== undefined) {
      const name = JSON.parse(lexeme.slice(0, -colon.length)) as string
      const names = open.at(-1)
      if (names?.has(name) === true) return JSON.stringify(name.slice(0, 60))
      names?.add(name)
    }
  }
  return undefined
}

/** A certificate that travels in a token, as it describes itself. */
export interface CertificateReport {
  readonly spiffe_id: string | undefined
  readonly not_before?: string
  readonly not_after?: string
  /** How long it is still valid, or why it cannot be read. */
  readonly words: string
}

/** Certificates of an `x5c` header, leaf first; nobody has looked yet whether anyone vouches for them. */
export function readCertificates(x5c: unknown, nowSeconds: number): CertificateReport[] {
  if (!Array.isArray(x5c)) return []
  return x5c.map((text: unknown) => readCertificate(String(text), nowSeconds))
}

function readCertificate(text: string, nowSeconds: number): CertificateReport {
  try {
    const { uriNames, notBeforeMs, notAfterMs } = readFields(parseCertificate(Buffer.from(text, 'base64')))
    const [from, until] = [notBeforeMs / 1000, notAfterMs / 1000]
    const words = certificateTimeWords(from, until, nowSeconds)
    return { spiffe_id: uriNames[0], not_before: isoTime(from), not_after: isoTime(until), words }
  } catch (error) {
    if (!(error instanceof ChainFault)) throw error
    return { spiffe_id: undefined, words: `cannot be read: ${error.message}` }
  }
}

/** What the token of a Pomerium service account looks like: HS256, and neither issuer nor audience. */
export function isPomeriumToken({ header, claims }: DecodedToken): boolean {
  const isHmac = header?.['alg'] === 'HS256'
  return isHmac && claims !== undefined && claims['iss'] === undefined && claims['aud'] === undefined
}

export const pomeriumTokenWords =
  "it looks like a Pomerium service account's own token (HS256, no iss, no aud), which only that Pomerium can verify"

export const pomeriumTokenHint =
  "send it to Pomerium, in X-Pomerium-Authorization; Pomerium then signs an assertion for the route's upstream"
