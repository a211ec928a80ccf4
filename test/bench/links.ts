// The evidence beside a user's token: for each hop a link, as the calling sidecar signs it.
import { hash, randomBytes, type KeyObject } from 'node:crypto'
import { forge } from '../../deploy/demo/forge.ts'

/** A call on the way: by an account, to a route. */
export interface Hop {
  readonly issuer: string
  readonly account: string
  readonly kid: string
  readonly privateKey: KeyObject
  readonly x5c: readonly string[]
  readonly audience: string
  readonly route: string
}

/** `x-onbehalf-via`, oldest link first. */
export function signLinks(token: string, hops: readonly Hop[]): string {
  const transactionId = randomId()
  const links: string[] = []
  for (const hop of hops) links.push(signLink(token, hop, transactionId, links.at(-1)))
  return links.join(',')
}

function signLink(token: string, hop: Hop, txn: string, before: string | undefined): string {
  const payload = {
    iss: hop.issuer,
    sub: hop.account,
    aud: hop.audience,
    route: hop.route,
    iat: nowSeconds(),
    jti: randomId(),
    txn,
    oth: { 'x-pomerium-jwt-assertion-for': hashOf(token) },
    ...(before !== undefined && { prv: hashOf(before) }),
  }
  return forge({ header: headerOf(hop, 'onbehalf-link+jwt'), payload, key: hop.privateKey })
}

/** The assertion of the account that makes this call. It counts for a minute. */
export function mintFor(hop: Hop): string {
  const claims = { sub: hop.account, user: hop.account, email: '', groups: [], name: '' }
  const times = { iat: nowSeconds(), exp: nowSeconds() + 60, jti: randomId(), sid: randomId() }
  const payload = { iss: hop.issuer, aud: hop.audience, ...claims, ...times }
  return forge({ header: headerOf(hop, 'JWT'), payload, key: hop.privateKey })
}

const headerOf = ({ kid, x5c }: Hop, typ: string) => ({ alg: 'ES256', typ, kid, x5c })
const hashOf = (text: string) => hash('sha256', text, 'base64url')
const randomId = () => randomBytes(12).toString('base64url')
const nowSeconds = () => Math.floor(Date.now() / 1000)
