// `--certificates`: those that did not travel with what they vouch for.
import { X509Certificate } from 'node:crypto'
import { maxChainCertificates } from '../../shared/certificate/chain.ts'
import { parsePem } from '../../shared/certificate/pem.ts'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import type { Io } from './io.ts'
import { readFileHere, UsageFault } from './token-input.ts'

/** Chains by the `kid` of their leaf, as `x5c` has them. @throws {UsageFault} a file holds none. */
export async function readCertificates(
  files: readonly string[],
  io: Io,
): Promise<Map<string, readonly string[]>> {
  const texts = await Promise.all(files.map((file) => readFileHere(file, io)))
  return new Map(files.flatMap((file, i) => [...readChains(texts[i] as string, file)]))
}

/** The chains of a PEM file by the `kid` of their leaf, as `x5c` has them. @throws {UsageFault} it holds none. */
function readChains(pem: string, file: string): Map<string, readonly string[]> {
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
