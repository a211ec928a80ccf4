// Key sets, beside jose: a key that we keep is the one that jose finds for its name, for each algorithm that it suits.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { createLocalJWKSet, errors, exportJWK, type CryptoKey, type JWK } from 'jose'
import { parseKeySet, type KeySet, type VerificationKey } from '../../shared/assertion/key-set.ts'
import { fuzz, type Chance } from './fuzz.ts'
import { mutated } from './mutation.ts'

const keys: readonly JWK[] = [
  generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  generateKeyPairSync('ed25519'),
  generateKeyPairSync('rsa', { modulusLength: 2048 }),
  generateKeyPairSync('rsa', { modulusLength: 1024 }),
].map(({ publicKey }) => publicKey.export({ format: 'jwk' }))

const names = ['a', 'b', 'c', 'd', '', '__proto__', 7]
const no = undefined
const algorithms = [no, no, no, no, no, no, 'ES256', 'RS256', 'PS512', 'EdDSA', 'HS256', null]
const uses = [no, no, no, 'sig', 'sig', 'sig', 'enc', null]
const operations = [no, no, no, no, no, ['verify'], ['verify'], ['sign'], 'verify']
const pieces = [
  ...'{}[]",:\\-_+/=AQ0 \n\0'.split(''),
  '"kty":"oct",',
  '"crv":"P-256"',
  '"e":"AQ"',
  '"y":""',
  'null,',
  '"kid":"b",',
]

fuzz('key-sets', { cases: 400, atLeast: { outcome: 'the same', oneIn: 8 } }, async (chance) => {
  const text = mutated(JSON.stringify({ keys: anyKeys(chance) }), pieces, chance)
  const set = parsed(text)
  if (set === undefined) return 'refused'
  assert.deepEqual([...parseKeySet(JSON.stringify({ keys: set.jwks })).byId.keys()], [...set.byId.keys()])
  const theirs = createLocalJWKSet({ keys: objectsOf(text) })
  const found = await Promise.all([...set.byId.values()].map((key) => compare(key, theirs, text)))
  return found.includes(true) ? 'the same' : 'none that both have'
})

function anyKeys(chance: Chance): unknown[] {
  const any = <T>(list: readonly T[]) => list[chance(list.length)] as T
  return Array.from({ length: chance(4) }, () =>
    chance(12) === 0
      ? any([null, 1, 'a', []])
      : { ...any(keys), kid: any(names), alg: any(algorithms), use: any(uses), key_ops: any(operations) },
  )
}

function parsed(text: string): KeySet | undefined {
  try {
    return parseKeySet(text)
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

/** What jose takes no set for is passed over by us. */
function objectsOf(text: string): JWK[] {
  const { keys: given } = JSON.parse(text) as { keys: unknown[] | null }
  return (given ?? []).filter(
    (key): key is JWK => typeof key === 'object' && key !== null && !Array.isArray(key),
  )
}

/** @returns whether jose has an opinion. */
async function compare(
  { keyId, key, algorithms: suited }: VerificationKey,
  find: ReturnType<typeof createLocalJWKSet>,
  text: string,
): Promise<boolean> {
  const ours = key.export({ format: 'jwk' })
  let isFound = false
  for (const alg of suited) {
    const theirs = await foundBy(find, { alg, kid: keyId }, text)
    if (theirs === undefined) continue
    const { kty, crv, x, y, n, e } = await exportJWK(theirs)
    assert.deepEqual({ ...ours }, JSON.parse(JSON.stringify({ kty, crv, x, y, n, e })), `${alg}: ${text}`)
    isFound = true
  }
  return isFound
}

/** Undefined where jose finds several: the first that can be used counts for us. */
async function foundBy(
  find: ReturnType<typeof createLocalJWKSet>,
  header: { alg: string; kid: string },
  text: string,
): Promise<CryptoKey | undefined> {
  try {
    return await find(header)
  } catch (error) {
    if (error instanceof errors.JWKSMultipleMatchingKeys) return undefined
    throw new Error(`${(error as Error).message}: ${JSON.stringify(header)} in ${text}`, { cause: error })
  }
}
