// Honest and hostile chains, each with what is wrong with it: for our own verifier, and for the one on the page.
import { keyThumbprint } from '../../../shared/certificate/thumbprint.ts'
import { makeLeaf } from '../../support/certificates.ts'
import { mint, mintedClaims, meshIssuer, nowS, userToken, withBrokenSignature } from '../../support/tokens.ts'
import {
  accountOf,
  aliceToken,
  authority,
  bobToken,
  certificateOf,
  chainOf,
  hostOf,
  linkOf,
  newId,
  otherMesh,
  services,
} from './ground.ts'

export interface ChainCase {
  readonly name: string
  /** `x-onbehalf-via`. */
  readonly via: string
  /** The service that is called. */
  readonly at: string
  readonly token: string
  readonly caller: string
  readonly maxHops?: number
  readonly nowS: number
  /** Undefined: nothing. */
  readonly fault: RegExp | undefined
}

interface CaseShape extends Partial<Omit<ChainCase, 'via' | 'name' | 'fault'>> {
  readonly links: readonly string[]
}

function good(name: string, shape: CaseShape): ChainCase {
  return make(name, shape, undefined)
}

function bad(name: string, fault: RegExp, shape: CaseShape): ChainCase {
  return make(name, shape, fault)
}

function make(name: string, { links, ...shape }: CaseShape, fault: RegExp | undefined): ChainCase {
  const via = links.join(',')
  return {
    name,
    via,
    at: 'S2',
    token: aliceToken,
    caller: accountOf('S1'),
    nowS,
    fault,
    ...shape,
  }
}

/** Of a user who came in at S1. */
const elsewhereToken = userToken({ sub: 'alice', aud: hostOf('S1'), iss: hostOf('S1') })

const honest = chainOf(['S0', 'S1', 'S2'])
const [first, second] = honest as [string, string]
const otherRequest = chainOf(['S0', 'S1', 'S2'], { txn: 'another-transaction' })
const ofBob = chainOf(['S0', 'S1', 'S2'], { token: bobToken })
const third = (shape: Partial<Parameters<typeof linkOf>[0]> = {}) =>
  linkOf({ from: 'S1', to: 'S2', after: first, ...shape })

/** Changes a claim and keeps the signature. */
function tampered(link: string, change: Readonly<Record<string, unknown>>): string {
  const [header, payload, signature] = link.split('.') as [string, string, string]
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
  const changed = Buffer.from(JSON.stringify({ ...claims, ...change })).toString('base64url')
  return `${header}.${changed}.${signature}`
}

const expired = authority.issue(accountOf('S1'), { notAfterMs: (nowS - 3600) * 1000 })
const notYet = authority.issue(accountOf('S1'), { notBeforeMs: (nowS + 3600) * 1000 })
const foreign = otherMesh.issue(accountOf('S1'))
/** By the other mesh's CA, in our mesh's name. */
const forged = makeLeaf(otherMesh.root, `spiffe://${meshIssuer}/${accountOf('S1')}`)
const spare = authority.issue('spare')

/** All that a sidecar may have seen: good, ended, not begun, and of others. */
export const knownCertificates = [...services.map(certificateOf), spare, expired, notYet, foreign, forged]

export const honestCases: readonly ChainCase[] = [
  good('one hop', { links: chainOf(['S0', 'S1']), at: 'S1', caller: accountOf('S0') }),
  good('two hops', { links: honest }),
  good('eight hops', { links: chainOf(services), at: 'S8', caller: accountOf('S7') }),
  good('a service that is passed twice, by calls that differ', {
    links: chainOf(['S0', 'S1', 'S2', 'S1', 'S3']),
    at: 'S3',
  }),
  good('a minute between the clocks', {
    links: [first, third({ claims: { iat: nowS - 60 } })],
  }),
  good('a link of a clock that is a minute ahead', { links: [first, third({ claims: { iat: nowS + 60 } })] }),
  good('a user whose token has expired since the first link', {
    links: honest,
    nowS: nowS + 3_000,
  }),
  good('a user who came in at another service', {
    links: chainOf(['S1', 'S2'], { token: elsewhereToken }),
    token: elsewhereToken,
  }),
  good('blanks around the commas', { links: [first, ` ${second}`] }),
]

export const hostileCases: readonly ChainCase[] = [
  bad('a shortened path: the first link left out', /link 1: the links before it are missing/, {
    links: [second],
  }),
  bad('a shortened path: the last link left out', /it goes to route "S1"/, { links: [first] }),
  bad('a shortened path: a link of the middle left out', /link 2: it does not follow the link before it/, {
    links: [first, chainOf(['S0', 'S1', 'S2', 'S3'])[2] as string],
    at: 'S3',
    caller: accountOf('S2'),
  }),
  bad('a shortened path: a link without its prv', /link 1: .*"calls-from-S1" is none of its accounts/, {
    links: [linkOf({ from: 'S1', to: 'S2' })],
  }),
  bad('an invented hop: a first link by who is not at the entry', /the user came in at service S0/, {
    links: [linkOf({ from: 'S2', to: 'S1' }), second],
  }),
  bad('an invented hop: from where the user did not come in', /the user came in at service S1/, {
    links: chainOf(['S0', 'S1', 'S2'], { token: elsewhereToken }),
    token: elsewhereToken,
  }),
  bad('an invented hop: signed by the caller in the name of the entry', /is of another account/, {
    links: (() => {
      const invented = linkOf({ from: 'S0', to: 'S1', certificate: certificateOf('S1') })
      return [invented, linkOf({ from: 'S1', to: 'S2', after: invented })]
    })(),
  }),
  bad('an invented hop: by an account of nobody', /"spare" is none of its accounts/, {
    links: [first, third({ certificate: spare, claims: { sub: 'spare' } })],
    caller: 'spare',
  }),
  bad('a hop replayed for another user', /link 1: it was made for another user token/, {
    links: honest,
    token: bobToken,
  }),
  bad('a hop for one user, put behind that of another', /link 2: it was made for another user token/, {
    links: [first, ofBob[1] as string],
  }),
  bad('a changed user token', /it was made for another user token/, {
    links: honest,
    token: userToken({ sub: 'alice', aud: hostOf('S0'), iss: hostOf('S0'), jti: 'a newer one' }),
  }),
  bad('a link addressed elsewhere', /it goes to route "S3" at "s3.example.com"/, {
    links: [first, linkOf({ from: 'S1', to: 'S3', after: first })],
  }),
  bad('a link to another route of the host', /no route "Other" of the mesh file has the host/, {
    links: [first, third({ claims: { route: 'Other' } })],
  }),
  bad('a link to another route of this very service', /it goes to route "S2 too"/, {
    links: [first, third({ claims: { route: 'S2 too' } })],
  }),
  bad('a link to the route at another host', /no route "S2" of the mesh file has the host "s3/, {
    links: [first, third({ claims: { aud: hostOf('S3') } })],
  }),
  bad('an assertion presented as a link', /typ is not onbehalf-link\+jwt/, {
    links: [first, mint(certificateOf('S1'), mintedClaims(accountOf('S1'), { aud: hostOf('S2') }))],
  }),
  bad('a link that says that it is a JWT', /typ is not onbehalf-link\+jwt/, {
    links: [first, third({ header: { typ: 'JWT' } })],
  }),
  bad('a link that does not say what it is', /typ is not onbehalf-link\+jwt/, {
    links: [first, third({ header: { typ: undefined } })],
  }),
  bad('a spliced chain of the same user', /link 2: it does not follow the link before it/, {
    links: [first, otherRequest[1] as string],
  }),
  bad('a spliced chain, chained by its prv', /link 2: it is of another transaction/, {
    links: [first, third({ txn: 'another-transaction' })],
  }),
  bad('a reordered chain', /link 1: the links before it are missing/, { links: [second, first] }),
  bad('a link twice', /link 2: it does not follow the link before it/, {
    links: [first, first],
    at: 'S1',
    caller: accountOf('S0'),
  }),
  bad('an over-long chain', /more links than mesh\.max_hops, 8/, {
    links: chainOf([...services, 'S0', 'S2']),
  }),
  bad('a chain longer than this mesh allows', /more links than mesh\.max_hops, 1/, {
    links: honest,
    maxHops: 1,
  }),
  bad('a looping chain', /link 4: "calls-from-S1" called route "S2" before/, {
    links: chainOf(['S0', 'S1', 'S2', 'S1', 'S2']),
  }),
  bad('a link by somebody else than who is calling', /"calls-from-S0" is calling/, {
    links: honest,
    caller: accountOf('S0'),
  }),
  bad('signed by the right account of the wrong service', /link 2: the link before it goes to service S1/, {
    links: [first, linkOf({ from: 'S3', to: 'S2', after: first })],
    caller: accountOf('S3'),
  }),
  bad('a certificate that had expired', /a certificate has expired/, {
    links: [first, third({ certificate: expired })],
  }),
  bad('a certificate that was not valid yet', /a certificate is not valid yet/, {
    links: [first, third({ certificate: notYet })],
  }),
  bad('a certificate of another mesh', /the URI name is no SPIFFE id of this mesh|does not end in a root/, {
    links: [first, third({ certificate: foreign })],
  }),
  bad('a certificate by the CA of another mesh', /does not end in a root of this mesh/, {
    links: [first, third({ certificate: forged })],
  }),
  bad("another one's kid", /its certificate is of another key/, {
    links: [first, third({ header: { kid: keyThumbprint(certificateOf('S3').keys.publicKey) } })],
  }),
  bad('a kid that nobody knows', /no certificate is known for its kid/, {
    links: [first, third({ certificate: authority.issue(accountOf('S1')), withChain: false })],
  }),
  bad('a broken signature', /link 2: its signature is wrong/, {
    links: [first, withBrokenSignature(second)],
  }),
  bad('a changed claim', /link 2: its signature is wrong/, {
    links: [first, tampered(second, { jti: newId() })],
  }),
  bad('another issuer', /iss is "other\.example\.com"/, {
    links: [first, third({ claims: { iss: 'other.example.com' } })],
  }),
  bad('no kid', /kid is missing/, { links: [first, third({ header: { kid: undefined } })] }),
  bad('another algorithm', /alg is not ES256/, { links: [first, third({ header: { alg: 'none' } })] }),
  bad('a claim too many', /a claim that a link has not/, {
    links: [first, third({ claims: { email: 'alice@example.com' } })],
  }),
  bad('a claim too few', /route is missing/, { links: [first, third({ claims: { route: undefined } })] }),
  bad('a header too many', /the header has a member that a link has not/, {
    links: [first, third({ header: { jku: 'https://elsewhere.example.com/' } })],
  }),
  bad('a binding to another header beside it', /oth has not exactly one member/, {
    links: [
      first,
      third({
        claims: { oth: { 'x-pomerium-jwt-assertion-for': 'A'.repeat(43), authorization: 'A'.repeat(43) } },
      }),
    ],
  }),
  bad('a binding to nothing', /oth has not exactly one member/, {
    links: [first, third({ claims: { oth: {} } })],
  }),
  bad('a prv that is no hash', /prv is no SHA-256 hash/, {
    links: [first, third({ claims: { prv: 'short' } })],
  }),
  bad('an id that is not plain', /jti is not 1 to 64 characters/, {
    links: [first, third({ claims: { jti: 'a\nb' } })],
  }),
  bad('a link from the future', /link 2: iat is \d+, now is/, {
    links: [first, third({ claims: { iat: nowS + 61 } })],
  }),
  bad('a first link that is older than the user’s token', /before that of the user's token/, {
    links: chainOf(['S0', 'S1', 'S2'], { claims: { iat: nowS - 61 } }),
  }),
  bad('a first link after the user’s token had expired', /after exp of the user's token/, {
    links: chainOf(['S0', 'S1', 'S2'], { claims: { iat: nowS + 301 } }),
    nowS: nowS + 301,
  }),
  bad('a link that was made before the one before it', /before that of the link before it/, {
    links: [first, third({ claims: { iat: nowS - 61 } })],
  }),
  bad('nothing between the commas', /link 2: it is empty/, { links: [first, '', second] }),
  bad('nothing at all', /link 1: it is empty/, { links: [' '] }),
  bad('garbage', /link 1: the token has not three parts/, { links: ['garbage'] }),
  bad('garbage of three parts', /link 1: /, { links: ['a.b.c'] }),
  bad('a link that is too large', /link 2: it is longer than 8192 characters/, {
    links: [first, third({ header: { x5c: Array.from({ length: 16 }, () => certificateOf('S1').base64) } })],
  }),
  bad('a header that is too large', /it is longer than 65536 characters/, {
    links: [first, 'x'.repeat(65_536)],
  }),
]
