// What `verify-chain` is given: headers as somebody captured them, and certificates that did not travel.
import { X509Certificate } from 'node:crypto'
import { maxChainCertificates } from '../../shared/certificate/chain.ts'
import { parsePem } from '../../shared/certificate/pem.ts'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import { headerNames } from '../../shared/headers/names.ts'
import { UsageFault } from './token-input.ts'

export interface CapturedHeaders {
  readonly via: string
  readonly userToken: string
  /** Undefined where it was not captured. */
  readonly assertion: string | undefined
}

/** `Name: value`, also behind the marks of `curl -v`; a request line and all else is passed over. */
const headerLine = /^[<>]?[ \t]*([\w!#$%&'*+.^`|~-]+)[ \t]*:[ \t]*(.*?)[ \t]*$/

/** @throws {UsageFault} what is needed is not there, or there twice. */
export function readHeaders(text: string): CapturedHeaders {
  const wanted: ReadonlySet<string> = new Set([
    headerNames.via,
    headerNames.assertionFor,
    headerNames.assertion,
  ])
  const found = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const [, name = '', value = ''] = headerLine.exec(line) ?? []
    const lower = name.toLowerCase()
    if (!wanted.has(lower) || value === '') continue
    if (found.has(lower)) throw new UsageFault(`${lower} is there more than once: a sidecar refuses that`)
    found.set(lower, value)
  }
  return {
    via: required(found, headerNames.via),
    userToken: required(found, headerNames.assertionFor),
    assertion: found.get(headerNames.assertion),
  }
}

function required(found: ReadonlyMap<string, string>, name: string): string {
  const value = found.get(name)
  if (value !== undefined) return value
  throw new UsageFault(
    `the headers have no ${name}: give them as lines of "Name: value", as curl -v shows them`,
  )
}

/** The chains of a PEM file by the `kid` of their leaf, as `x5c` has them. @throws {UsageFault} it holds none. */
export function readChains(pem: string, file: string): Map<string, readonly string[]> {
  const all = parsePem(pem)
    .filter(({ label, der }) => label === 'CERTIFICATE' && der !== undefined)
    .map(({ der }) => readCertificate(der as Buffer, file))
  const leaves = all.filter(({ ca }) => !ca)
  if (leaves.length === 0) throw new UsageFault(`${file} holds no certificate of an account in PEM`)
  return new Map(leaves.map((leaf) => [keyIdOf(leaf, file), chainOf(leaf, all).map(toBase64)]))
}

function readCertificate(der: Buffer, file: string): X509Certificate {
  try {
    return new X509Certificate(der)
  } catch {
    throw new UsageFault(`${file} holds a certificate that cannot be read`)
  }
}

function keyIdOf(leaf: X509Certificate, file: string): string {
  try {
    return keyThumbprint(leaf.publicKey)
  } catch {
    throw new UsageFault(`${file} holds a certificate whose key is not EC P-256`)
  }
}

/** With the intermediate certificates that the file has too. */
function chainOf(leaf: X509Certificate, all: readonly X509Certificate[]): X509Certificate[] {
  const chain = [leaf]
  while (chain.length < maxChainCertificates) {
    const last = chain.at(-1) as X509Certificate
    const issuer = all.find((each) => each.ca && each !== last && last.checkIssued(each))
    if (issuer === undefined || chain.includes(issuer)) break
    chain.push(issuer)
  }
  return chain
}

function toBase64({ raw }: X509Certificate): string {
  return raw.toString('base64')
}
