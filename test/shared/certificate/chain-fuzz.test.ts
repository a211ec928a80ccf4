// Damaged chains never show another account or key, and never fail in an unforeseen way.
import assert from 'node:assert/strict'
import { sign, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { readSequence, readSingle, tags } from '../../../shared/certificate/der.ts'
import { ChainFault, verifyAccountChain, verifyCertificates } from '../../../shared/certificate/chain.ts'
import type { AccountKey, Authority } from '../../../shared/certificate/chain.ts'
import { keyThumbprint } from '../../../shared/certificate/thumbprint.ts'
import { clockMs, makeIntermediate, makeLeaf, makeRoot } from '../../support/certificates.ts'
import { der, sequence } from '../../support/der.ts'

const root = makeRoot()
const intermediate = makeIntermediate(root)
const leaf = makeLeaf(intermediate, 'spiffe://mesh.example.com/a')
const chain = [leaf.der, intermediate.der, root.der]
const keyId = keyThumbprint(leaf.keys.publicKey)
const authority: Authority = {
  name: 'mesh',
  issuer: 'mesh.example.com',
  // Every account that is one bit away from the true one, so that the name alone refuses nothing.
  accounts: new Set(['a', ...[...Array(8).keys()].map((bit) => String.fromCodePoint(0x61 ^ (1 << bit)))]),
  roots: [root.certificate],
}

/** What the chain shows, or undefined where it is refused as it should be. */
function verifyOrRefuse(run: () => AccountKey): AccountKey | undefined {
  try {
    return run()
  } catch (error) {
    if (error instanceof ChainFault) return undefined
    throw error
  }
}

function assertNothingElse(shown: AccountKey | undefined): void {
  if (shown === undefined) return
  assert.equal(shown.account, 'a')
  assert.equal(shown.keyId, keyId)
  assert.ok(shown.key.equals(leaf.keys.publicKey))
}

const flips = fc.array(fc.record({ which: fc.nat(2), at: fc.nat(), xor: fc.integer({ min: 1, max: 255 }) }), {
  minLength: 1,
  maxLength: 3,
})

function damage(bytes: readonly Buffer[], changes: { which: number; at: number; xor: number }[]): Buffer[] {
  const damaged = bytes.map((one) => Buffer.from(one))
  for (const { which, at, xor } of changes) {
    const target = damaged[which % damaged.length] as Buffer
    const index = at % target.length
    target[index] = (target[index] as number) ^ xor
  }
  return damaged
}

test('the chain that is damaged below is good', () => {
  assertNothingElse(
    verifyAccountChain(
      chain.map((one) => one.toString('base64')),
      authority,
      clockMs,
    ),
  )
})

test('flipped bytes show no other account and no other key', () => {
  const property = fc.property(flips, fc.integer({ min: 1, max: 3 }), (changes, length) => {
    const x5c = damage(chain.slice(0, length), changes).map((one) => one.toString('base64'))
    assertNothingElse(verifyOrRefuse(() => verifyAccountChain(x5c, authority, clockMs)))
  })
  fc.assert(property, { numRuns: 2000 })
})

test('every single bit of the leaf counts', () => {
  for (let bit = 0; bit < leaf.der.length * 8; bit++) {
    const flipped = Buffer.from(leaf.der)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    const x5c = [flipped, intermediate.der].map((one) => one.toString('base64'))
    assert.equal(
      verifyOrRefuse(() => verifyAccountChain(x5c, authority, clockMs)),
      undefined,
      `bit ${bit}`,
    )
  }
})

test('bytes cut out, doubled or put in show no other account and no other key', () => {
  const splice = fc.record({
    at: fc.nat(leaf.der.length),
    remove: fc.nat(20),
    insert: fc.uint8Array({ maxLength: 20 }),
  })
  const property = fc.property(splice, ({ at, remove, insert }) => {
    const changed = Buffer.concat([leaf.der.subarray(0, at), insert, leaf.der.subarray(at + remove)])
    const x5c = [changed, intermediate.der].map((one) => one.toString('base64'))
    assertNothingElse(verifyOrRefuse(() => verifyAccountChain(x5c, authority, clockMs)))
  })
  fc.assert(property, { numRuns: 1000 })
})

test('any text in x5c is refused', () => {
  const property = fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 4 }), (x5c) => {
    assert.equal(
      verifyOrRefuse(() => verifyAccountChain(x5c, authority, clockMs)),
      undefined,
    )
  })
  fc.assert(property, { numRuns: 500 })
})

/** Signs the changed fields with the issuer's key: the damage is all that can be wrong. */
function signAgain(body: Buffer): Buffer {
  const [, algorithm] = readSequence(readSingle(leaf.der, tags.sequence))
  const signature = sign('sha256', body, intermediate.keys.privateKey)
  return sequence(body, algorithm?.encoded as Buffer, der(0x03, [0], signature))
}

test('damage that the issuer signed is refused by a rule, or leaves an account of ours', () => {
  const [body] = readSequence(readSingle(leaf.der, tags.sequence))
  const property = fc.property(flips, (changes) => {
    const [changed] = damage([body?.encoded as Buffer], changes)
    const x5c = [signAgain(changed as Buffer), intermediate.der].map((one) => one.toString('base64'))
    const shown = verifyOrRefuse(() => verifyAccountChain(x5c, authority, clockMs))
    assert.ok(shown === undefined || authority.accounts.has(shown.account))
  })
  fc.assert(property, { numRuns: 3000 })
})

test('damaged certificates that OpenSSL reads from a file fail in no unforeseen way either', () => {
  const property = fc.property(flips, (changes) => {
    const certificates = damage(chain, changes).flatMap((one) => {
      try {
        return [new X509Certificate(one)]
      } catch {
        return []
      }
    })
    assertNothingElse(verifyOrRefuse(() => verifyCertificates(certificates, authority, clockMs)))
  })
  fc.assert(property, { numRuns: 1000 })
})
