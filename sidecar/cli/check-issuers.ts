// What `onbehalf check` says of the issuers: are their keys there, and do their clocks agree with this one.
import { readFile } from 'node:fs/promises'
import { parseKeySet } from '../../shared/assertion/key-set.ts'
import { clockSkewSeconds } from '../../shared/assertion/verify.ts'
import type { Issuer } from '../../shared/config/mesh.ts'
import { createFetcher, type FetchedKeySet } from '../keys/fetch.ts'
import { describeError } from '../telemetry/log.ts'
import { rowsFor, type Row } from './check-row.ts'
import { count } from './token-words.ts'

const allowedSkewMs = clockSkewSeconds * 1000
/** A `Date` header is exact to a second, and comes from afar. */
const noticedSkewMs = 5_000

/** Never throws: whatever is wrong is a row. */
export async function checkIssuer(
  issuer: Issuer,
  ca: string | undefined,
  now: () => number,
): Promise<readonly Row[]> {
  const rows = rowsFor(`issuer ${issuer.name}`)
  const { jwks } = issuer
  const from = jwks.kind === 'url' ? jwks.url : jwks.file
  const askedMs = now()
  let fetched: FetchedKeySet
  let size: number
  try {
    fetched =
      jwks.kind === 'url'
        ? await fetchOnce(jwks.url, ca)
        : { text: await readFile(jwks.file, 'utf8'), maxAgeMs: undefined }
    size = parseKeySet(fetched.text).byId.size
  } catch (error) {
    return [rows.fail(`its keys cannot be read from ${from}: ${whatToDo(error)}`)]
  }
  const keys =
    size === 0
      ? rows.fail(`${from} holds no key that can be used`)
      : rows.ok(`${count(size, 'key')} from ${from}`)
  return fetched.clockMs === undefined
    ? [keys]
    : [keys, describeSkew(fetched.clockMs, (askedMs + now()) / 2, rows)]
}

async function fetchOnce(url: string, ca: string | undefined): Promise<FetchedKeySet> {
  const fetcher = createFetcher(url, ca)
  try {
    return await fetcher.fetch()
  } finally {
    await fetcher.close()
  }
}

function describeSkew(theirsMs: number, oursMs: number, rows: ReturnType<typeof rowsFor>): Row {
  const skewMs = oursMs - theirsMs
  const distanceMs = Math.abs(skewMs)
  if (distanceMs < noticedSkewMs) return rows.ok('its clock agrees with this one')
  const words = `this clock is ${Math.round(distanceMs / 1000)} s ${skewMs > 0 ? 'ahead of' : 'behind'} its own`
  if (distanceMs <= allowedSkewMs) return rows.warn(`${words}: let both be set by NTP`)
  return rows.fail(
    `${words}, more than the ${clockSkewSeconds} s that are allowed for: good tokens are refused, or expired ones taken. Let both be set by NTP`,
  )
}

const notTls = 'it does not answer in TLS; is this its TLS port, or is http:// meant?'

const advice: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; is it running, and is this its port?',
  ENOTFOUND: 'the name is not known to DNS',
  EAI_AGAIN: 'the name is not known to DNS',
  EHOSTUNREACH: 'there is no way to it from here',
  ENETUNREACH: 'there is no way to it from here',
  UND_ERR_CONNECT_TIMEOUT: 'no answer in time; is a firewall between?',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is of a CA that is not known here; name it in issuers[].ca',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is of a CA that is not known here; name it in issuers[].ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its certificate is of a CA that is not known here; name it in issuers[].ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'its certificate is of a CA that is not known here; name it in issuers[].ca',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is not for this name',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_SSL_WRONG_VERSION_NUMBER: notTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: notTls,
  ENOENT: 'there is no such file',
  EACCES: 'this user may not read it',
}

function whatToDo(error: unknown): string {
  const { code, name } = error as NodeJS.ErrnoException
  if (name === 'TimeoutError') return 'no answer in time; is a firewall between?'
  return advice[code ?? ''] ?? describeError(error)
}
