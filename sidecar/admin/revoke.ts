// `POST /revoke`: reads what is to be revoked, has it revoked, and says who knows of it.
import { defaultRevocationSeconds, type Revocation } from '../../shared/revocation.ts'
import { parseRevocationLife } from '../revocation-life.ts'
import type { Revoked } from '../revoking.ts'

export interface RevokeSubject {
  /** The names of issuers whose assertions can be revoked. */
  issuerNames(): readonly string[]
  /** @param forSeconds `Infinity`: for ever. */
  revoke(revocation: Revocation, forSeconds: number): Promise<Revoked>
}

/** What the command line reads of the answer. */
export interface RevokeAnswer {
  readonly message: string
  readonly reach: Revoked['kind']
  /** How many sidecars were listening, where that is known. */
  readonly listening?: number
}

export async function answerRevoke(
  subject: RevokeSubject,
  body: string,
): Promise<{ status: number; body: RevokeAnswer | { message: string } }> {
  const asked = parseAsked(body)
  if (asked === undefined) {
    return fault(
      'Send {"kind": "session" | "subject" | "jti", "issuer": …, "value": …} or {"kind": "kid", "value": …}; with ' +
        '"for": "12h", "90d" or "forever" for another time than 30 days.',
    )
  }
  const { revocation, forSeconds } = asked
  const known = subject.issuerNames()
  if (revocation.kind !== 'kid' && !known.includes(revocation.issuer)) {
    return fault(`There is no such issuer; there is: ${known.join(', ')}.`)
  }
  const revoked = await subject.revoke(revocation, forSeconds)
  const where = revoked.kind === 'shared' ? 'by every sidecar on the store' : 'here'
  const message = `Refused ${where} from now on: ${whats[revocation.kind]} ${reachWords(revoked)}`.trim()
  const { kind: reach } = revoked
  const listening = revoked.kind === 'shared' ? { listening: revoked.listening } : undefined
  return { status: 202, body: { message, reach, ...listening } }
}

function fault(message: string) {
  return { status: 400, body: { message } }
}

const whats: Readonly<Record<Revocation['kind'], string>> = {
  session: 'every assertion of this session.',
  subject: 'assertions of this subject that were issued until now. New ones are accepted.',
  jti: 'this assertion.',
  kid: 'whatever this key signed.',
}

function reachWords(revoked: Revoked): string {
  switch (revoked.kind) {
    case 'local':
    case 'shared':
      return ''
    case 'not_permitted':
      return 'The other sidecars were NOT told: this one may not write revocations. Use `onbehalf revoke` with the credential that may.'
    case 'unreachable':
      return 'The other sidecars were NOT told yet: the store does not answer. They will be when it does, while this sidecar runs.'
  }
}

function parseAsked(text: string): { revocation: Revocation; forSeconds: number } | undefined {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof given !== 'object' || given === null) return undefined
  const { kind, issuer, value, for: life } = given as Record<string, unknown>
  const forSeconds = life === undefined ? defaultRevocationSeconds : parseRevocationLife(life)
  if (forSeconds === undefined || typeof value !== 'string' || value === '') return undefined
  if (kind === 'kid') return { revocation: { kind, value }, forSeconds }
  if (kind !== 'session' && kind !== 'subject' && kind !== 'jti') return undefined
  return typeof issuer === 'string' ? { revocation: { kind, issuer, value }, forSeconds } : undefined
}
