// Asks what the sidecar of a service would answer to a token: the same decision, on a request made up around it.
import { AccountVerdicts } from '../../shared/assertion/account-verdicts.ts'
import type { Mesh } from '../../shared/config/mesh.ts'
import { Needed, type MissingRule } from '../../shared/needed.ts'
import { Refusal } from '../../shared/errors.ts'
import type { Peer, RequestHead } from '../../shared/head.ts'
import { headerNames } from '../../shared/headers/names.ts'
import { identityHeaders } from '../../shared/headers/identity-headers.ts'
import { decideInbound, type InboundAnswer } from '../../shared/inbound.ts'
import { parseAuthority } from '../../shared/target.ts'
import { noRevocations } from './no-revocations.ts'
import { makeTrust, type Snapshot } from '../../shared/trust.ts'
import type { TrustMaterial } from '../material.ts'
import { UsedTokens } from '../used-tokens.ts'
import { decodeToken } from './token-decode.ts'
import type { KeyRing } from './token-keys.ts'

export interface TokenQuestion {
  readonly mesh: Mesh
  readonly material: TrustMaterial
  readonly keyRing: KeyRing
  readonly token: string
  /** The token of an X-Pomerium-Jwt-Assertion-For beside it. */
  readonly tokenFor: string | undefined
  /** An x-onbehalf-via beside them. */
  readonly via: string | undefined
  /** Chains by `kid`, for what travels without its own. */
  readonly certificates: ReadonlyMap<string, readonly string[]>
  readonly method: string
  readonly path: string
  readonly peer: Peer
  /** Milliseconds since the epoch. */
  readonly nowMs: number
  /** Whether that is what the clock of this machine says. */
  readonly isNow: boolean
}

export interface TokenAnswer {
  readonly answer: InboundAnswer
  /** With the keys that it was decided by. */
  readonly snapshot: Snapshot
}

/** Decides as the sidecar does, and asks each issuer whose key is needed, once. @throws {UsageFault} a bad key file. */
export async function askSidecar(question: TokenQuestion): Promise<TokenAnswer> {
  const { mesh, material, keyRing, peer, nowMs } = question
  const head = makeHead(question)
  // An issuer that gave no keys is not in the snapshot, which says by itself that it is unavailable.
  const missing: MissingRule = (need) => {
    // What only sidecars share is not asked for here.
    if (need.kind !== 'keys') return mesh.store.kind === 'memory' ? 'unknown' : 'unavailable'
    return need.issuers.every((issuer) => keyRing.wasAsked(issuer)) ? 'unknown' : 'ask'
  }
  for (;;) {
    const trust = makeTrust(keyRing.loaded, material.authorities, new AccountVerdicts())
    for (const [keyId, chain] of question.certificates) trust.certificates.set(keyId, chain)
    const snapshot = { mesh, trust }
    try {
      const tooLarge = refuseTooLarge(head, mesh)
      const answer =
        tooLarge ?? decideInbound({ head, peer, snapshot, revocations: noRevocations, nowMs, missing })
      return { answer: usedUp(answer, mesh, nowMs), snapshot }
    } catch (error) {
      if (!(error instanceof Needed) || error.need.kind !== 'keys') throw error
      const open = error.need.issuers.filter((issuer) => !keyRing.wasAsked(issuer))
      await Promise.all(open.map((issuer) => keyRing.load(issuer)))
    }
  }
}

/** Of a token that is single-use only a running sidecar knows whether it was used, but any whether it can be. */
function usedUp(answer: InboundAnswer, mesh: Mesh, nowMs: number): InboundAnswer {
  const { caller } = answer.findings
  const issuer = mesh.issuers.find(({ name }) => name === caller?.principal.issuer)
  if (!answer.permitted || caller === undefined || issuer?.singleUse !== true) return answer
  try {
    new UsedTokens(() => nowMs).use(caller)
    return answer
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { permitted: false, findings: answer.findings, refusal: error }
  }
}

/** What a client would send: the host that the token is for, and the token. */
function makeHead({ mesh, token, tokenFor, via, method, path }: TokenQuestion): RequestHead {
  const audience = decodeToken(token).claims?.['aud']
  const named = typeof audience === 'string' ? parseAuthority(audience)?.host : undefined
  const host = named ?? [...mesh.ownRoutes.keys()][0] ?? 'localhost'
  const headers = ['Host', host.includes(':') ? `[${host}]` : host, headerNames.assertion, token]
  if (tokenFor !== undefined) headers.push(headerNames.assertionFor, tokenFor)
  if (via !== undefined) headers.push(headerNames.via, via)
  return { method, target: path, headers }
}

/** What Node refuses before there is a request: the tokens alone are too long. */
function refuseTooLarge({ headers }: RequestHead, { limits }: Mesh): InboundAnswer | undefined {
  const length = headers.join('').length
  if (limits.headerBytes === 0 || length <= limits.headerBytes) return undefined
  const refusal = new Refusal('headers_too_large', 'The header section is too large (limits.header_bytes).', {
    detail: `these headers take ${length} bytes, limits.header_bytes is ${limits.headerBytes}`,
  })
  return { permitted: false, findings: {}, refusal }
}

/** The names of the headers that tell the app who calls. */
export function appHeaderNames({ findings }: InboundAnswer, snapshot: Snapshot): string[] {
  const names = identityHeaders(findings, snapshot.mesh).filter((_, i) => i % 2 === 0)
  return [...names, headerNames.handle]
}
