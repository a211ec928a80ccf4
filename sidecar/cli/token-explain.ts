// Why a token was refused, as somebody needs it who has to make it work: what was found, what was expected, what to do.
import { clockSkewSeconds } from '../../shared/assertion/verify.ts'
import { spiffeId } from '../../shared/certificate/spiffe.ts'
import { signatureAlgorithms, type Issuer, type Route } from '../../shared/config/mesh.ts'
import type { InboundAnswer } from '../../shared/inbound.ts'
import { isMinted, subjectOf } from './token-checks.ts'
import {
  decodeToken,
  isPomeriumToken,
  pomeriumTokenHint,
  pomeriumTokenWords,
  readCertificates,
  type DecodedToken,
} from './token-decode.ts'
import type { TokenAnswer, TokenQuestion } from './token-question.ts'
import { isoTime, timeClaims, timeWords } from './token-words.ts'

export interface Explanation {
  readonly found?: string
  readonly expected?: string
  /** What to do, where the message alone does not say it. */
  readonly hint?: string
}

type Refused = Extract<InboundAnswer, { permitted: false }>

/** What is needed to explain one refusal. */
interface Case {
  readonly question: TokenQuestion
  readonly answer: Refused
  readonly snapshot: TokenAnswer['snapshot']
  /** The token that the refusal is about. */
  readonly decoded: DecodedToken
  readonly isFor: boolean
  readonly minted: boolean
}

/** What is behind a refusal; nothing for what was accepted. */
export function explainRefusal(question: TokenQuestion, { answer, snapshot }: TokenAnswer): Explanation {
  if (answer.permitted) return {}
  const { code } = answer.refusal
  const isFor = subjectOf(answer) === 'original_user'
  const decoded = decodeToken((isFor ? question.tokenFor : question.token) ?? '')
  const minted = isMinted(decoded, question)
  const fault = code.replace(/^(?:assertion|original_user)_/, '')
  const explain = explanations[code] ?? explanations[fault]
  return explain?.({ question, answer, snapshot, decoded, isFor, minted }) ?? {}
}

const explanations: Readonly<Record<string, (refused: Case) => Explanation>> = {
  malformed: explainForm,
  algorithm: explainAlgorithm,
  issuer: explainIssuer,
  key_unknown: (refused) => (refused.minted ? explainCertificate(refused) : explainKey(refused)),
  signature: explainSignature,
  audience: explainAudience,
  expired: explainTimes,
  not_yet_valid: explainTimes,
  keys_unavailable: explainUnavailable,
  assertion_not_from_edge: explainEdge,
  route_not_found: explainRoute,
  policy_denied: explainPolicy,
  assertion_anonymous: () => ({
    found: 'sub is empty: Pomerium signed it for a visitor who is not signed in',
  }),
  original_user_not_allowed: explainForAllowed,
  original_user_required: () => ({
    found: 'no X-Pomerium-Jwt-Assertion-For',
    expected: "the original user's assertion beside it",
    hint: 'give it by --for',
  }),
  evidence_missing: ({ question }) => ({
    found: 'no x-onbehalf-via',
    expected: `the links of the way that the user's request took (mesh.evidence: ${question.mesh.evidence})`,
    hint: 'give them by --via',
  }),
  evidence_invalid: ({ answer }) => ({
    ...detailOf(answer),
    hint: 'onbehalf verify-chain shows the way link by link',
  }),
  headers_too_large: ({ answer }) => ({ ...detailOf(answer) }),
}

function detailOf({ refusal }: Refused): Explanation {
  return refusal.detail === undefined ? {} : { found: refusal.detail }
}

/** A value of the token in quotes, no longer than a line. */
function quoted(value: unknown): string {
  const text = JSON.stringify(value)
  if (text === undefined) return 'missing'
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`
}

function explainForm({ decoded, minted }: Case): Explanation {
  if (isPomeriumToken(decoded)) return { found: pomeriumTokenWords, hint: pomeriumTokenHint }
  const fault = decoded.fault ?? decoded.claimsFault
  if (fault !== undefined) return { found: fault }
  if (!minted) return {}
  return {
    found: 'a claim beside those of its account, or one that is not empty',
    expected:
      'sub and user the account, email, groups and name empty, no claim besides (a sidecar mints no other)',
  }
}

function explainAlgorithm({ decoded, minted, question }: Case): Explanation {
  const found = `alg is ${quoted(decoded.header?.['alg'])}`
  if (minted) return { found, expected: 'ES256' }
  const isKnown = signatureAlgorithms.some((name) => name === decoded.header?.['alg'])
  if (!isKnown) return { found, expected: `one of ${signatureAlgorithms.join(', ')}` }
  const lists = question.mesh.issuers.map(({ name, algorithms }) => `${name}: ${algorithms.join(', ')}`)
  return {
    found,
    expected: lists.join('; '),
    hint: 'add it to issuers[].algorithms if the issuer does sign so',
  }
}

function explainIssuer({ decoded, question }: Case): Explanation {
  const { mesh } = question
  const { iss, aud } = decoded.claims ?? {}
  const accepted = [
    ...mesh.issuers.map((issuer) => `${issuer.name}: ${issuerForms(issuer, String(aud)).join(', ')}`),
    ...mesh.trustDomains.map(({ issuer }) => `accounts: ${issuer}`),
  ]
  return {
    found: `iss is ${quoted(iss)}, aud is ${quoted(aud)}`,
    expected: accepted.join('; '),
    ...formHint(iss, aud),
  }
}

/** Pomerium's two forms, where the mesh file accepts the other one. */
function formHint(iss: unknown, aud: unknown): Explanation {
  const form = iss === aud ? 'hostOnly' : iss === `https://${String(aud)}/` ? 'uri' : undefined
  if (form === undefined) return {}
  return {
    hint: `iss is of the form ${form}: if Pomerium is set up so (jwt_issuer_format), add ${form} to issuers[].issuer`,
  }
}

function issuerForms({ exact, hostOnly, uri }: Issuer, audience: string): string[] {
  return [
    ...(hostOnly ? [`${quoted(audience)} (hostOnly: the token's own aud)`] : []),
    ...(uri ? [`${quoted(`https://${audience}/`)} (uri)`] : []),
    ...exact.map((text) => quoted(text)),
  ]
}

function explainKey({ decoded, snapshot }: Case): Explanation {
  const { kid, alg } = decoded.header ?? {}
  const sets = [...snapshot.trust.keysByIssuer.values()]
  const published = sets.map(({ issuer, keys }) => {
    const kids = [...keys.byId.keys()].map((id) => quoted(id))
    return `${issuer.name} publishes ${kids.length === 0 ? 'no key that can be used' : kids.join(', ')}`
  })
  const isThere = typeof kid === 'string' && sets.some(({ keys }) => keys.byId.has(kid))
  const hint = isThere
    ? `the key of this kid is not for ${quoted(alg)}`
    : 'signed by another installation, or by a key that is published no more (or not yet)'
  return { found: `kid is ${quoted(kid)}`, expected: published.join('; '), hint }
}

function explainCertificate({ decoded, answer, question }: Case): Explanation {
  const { nowMs, mesh } = question
  const { claims, header } = decoded
  const [leaf] = readCertificates(header?.['x5c'], nowMs / 1000)
  const certificate =
    leaf === undefined
      ? 'no certificate (x5c)'
      : `a certificate of ${leaf.spiffe_id ?? 'no account'}, ${leaf.words}`
  const domain = mesh.trustDomains.find(({ issuer }) => issuer === claims?.['iss'])
  const accounts = [...(domain?.accounts ?? [])].map((account) => spiffeId(domain?.issuer ?? '', account))
  const { detail } = answer.refusal
  return {
    found: `sub is ${quoted(claims?.['sub'])}, with ${certificate}${detail === undefined ? '' : `: ${detail}`}`,
    expected: `a certificate from ${domain?.caFile ?? 'mesh.ca'} for its sub; the accounts are ${accounts.join(', ') || 'none'}`,
  }
}

function explainSignature({ decoded, minted }: Case): Explanation {
  const key = minted ? 'the certificate in x5c' : `the key ${quoted(decoded.header?.['kid'])}`
  return {
    found: `a signature that is not by ${key}`,
    hint: 'the token was changed (a character lost in copying is enough), or signed by another key under this name',
  }
}

function explainAudience({ decoded, question, answer, isFor }: Case): Explanation {
  const { mesh } = question
  const aud = decoded.claims?.['aud']
  const routes = mesh.routes.filter(({ host }) => host === aud)
  const whose = routes.length === 0 ? 'the host of no route in this mesh file' : describeRoutes(routes)
  const right = isFor ? [...(answer.findings.route?.acceptFor ?? [])] : [...mesh.ownRoutes.keys()]
  const what = isFor
    ? `accept_for of route ${answer.findings.route?.name ?? ''}`
    : `hosts of service ${mesh.service}`
  return {
    found: `aud is ${quoted(aud)}, ${whose}`,
    expected: `${right.join(' or ') || 'none'} (${what})`,
    ...hostHint(aud, mesh.routes),
  }
}

function describeRoutes(routes: readonly Route[]): string {
  const [first] = routes as [Route, ...Route[]]
  return `the host of ${routes.length === 1 ? 'route' : 'routes'} ${routes.map(({ name }) => name).join(', ')} (service ${first.service})`
}

/** What is nearly a host. */
function hostHint(aud: unknown, routes: readonly Route[]): Explanation {
  if (typeof aud !== 'string') return {}
  const alias = routes.find(({ aliases }) => aliases.includes(aud))
  if (alias !== undefined)
    return { hint: `${quoted(aud)} is an alias of route ${alias.name}; assertions are for the host of from` }
  if (!/^https?:|[:/]/.test(aud)) return {}
  return { hint: 'assertions name a bare host: without scheme, port and path' }
}

function explainTimes({ decoded, question, answer, minted }: Case): Explanation {
  const nowSeconds = question.nowMs / 1000
  const claims = decoded.claims ?? {}
  const words = timeClaims.flatMap((claim) => {
    const seconds = claims[claim]
    return typeof seconds === 'number'
      ? [`${claim} ${isoTime(seconds)}: ${timeWords(claim, seconds, nowSeconds)}`]
      : []
  })
  const life = minted ? '; a minted assertion counts for 60 s after iat, whatever its exp says' : ''
  const isEarly = answer.refusal.code.endsWith('not_yet_valid')
  return {
    found: words.join('; '),
    expected: `iat and nbf before, and exp after, ${isoTime(nowSeconds)}, give or take ${clockSkewSeconds} s${life}`,
    hint: isEarly
      ? "compare the clocks: that of whoever signed it, the sidecar's, and this one's; --at asks about another moment"
      : 'get a fresh one; --at asks about another moment',
  }
}

function explainUnavailable({ question }: Case): Explanation {
  const problems = question.keyRing.reports.flatMap(({ issuer, source, problem }) =>
    problem === undefined ? [] : [`issuer ${issuer}, ${source}: ${problem}`],
  )
  return {
    found: problems.join('; '),
    hint: 'this says nothing about the token, neither good nor bad; a running sidecar may still have keys that it fetched before (/keys at its admin listener)',
  }
}

function explainEdge({ question }: Case): Explanation {
  const edges = question.mesh.issuers.flatMap(({ name, edges: given }) =>
    given === undefined
      ? []
      : [`${given.sourceIp.map(({ text }) => text).join(', ')} (edges of issuer ${name})`],
  )
  return {
    found: `the request comes from ${question.peer.address}`,
    expected: edges.join('; '),
    hint: "--from asks about another peer's address",
  }
}

function explainRoute({ question, answer }: Case): Explanation {
  const own = question.mesh.ownRoutes.get(answer.findings.caller?.audience ?? '') ?? []
  return {
    found: `the path ${quoted(question.path)}`,
    expected: `a path of ${own.map(({ name }) => name).join(', ')} (prefix, path or regex of the route)`,
    hint: '--path asks about another path',
  }
}

function explainPolicy({ answer }: Case): Explanation {
  const { refusal, findings } = answer
  const isDenied = findings.policy?.denied === true
  const rule = isDenied ? 'no deny rule that matches' : 'an allow rule that matches'
  return {
    found: `${refusal.detail ?? ''}${isDenied ? ' matched' : ''}`,
    expected: `${rule}, in the policy of route ${findings.route?.name ?? ''}`,
    hint: 'policies may read --path, --method, --from, and the user of --for',
  }
}

function explainForAllowed({ answer }: Case): Explanation {
  const { caller, route } = answer.findings
  if (caller?.kind !== 'service_account') {
    return {
      found: `the caller is ${caller?.kind === 'anonymous' ? 'nobody' : 'a user'}`,
      hint: 'a Pomerium whose assertions are about a service account: name it in issuers[].service_accounts',
    }
  }
  if (route?.originalUser === 'none') return { found: `route ${route.name} has original_user: none` }
  return { found: 'the -For is about a service account, or about nobody', expected: 'about a user' }
}
