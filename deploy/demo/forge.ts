// Compact JWSs that no library agrees to make: `none`, confused algorithms, any header, any payload.
import { createHmac, sign, type KeyObject } from 'node:crypto'

export interface Forgery {
  /** The JOSE header; its `alg` decides how it is signed: ES…, RS…, HS… or none. */
  readonly header: Readonly<Record<string, unknown>>
  /** The claims, or the payload's text as it is to be. */
  readonly payload: Readonly<Record<string, unknown>> | string
  /** A private key, or the bytes of a shared secret (HS…). */
  readonly key?: KeyObject | Uint8Array
}

export function forge({ header, payload, key }: Forgery): string {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
  const signed = `${base64url(JSON.stringify(header))}.${base64url(text)}`
  return `${signed}.${signature(signed, String(header['alg']), key)}`
}

function signature(signed: string, algorithm: string, key: Forgery['key']): string {
  if (algorithm === 'none') return ''
  if (key === undefined) throw new TypeError(`a key is needed to sign with ${algorithm}`)
  const hash = `sha${algorithm.slice(2)}`
  if (algorithm.startsWith('HS')) return createHmac(hash, key).update(signed).digest('base64url')
  if (key instanceof Uint8Array) throw new TypeError(`${algorithm} is signed with a private key`)
  return sign(hash, Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}
