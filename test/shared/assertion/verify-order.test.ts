// The order of the checks is a contract: a token that is wrong in several ways is refused for the earliest.
import { createHmac } from 'node:crypto'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forge } from '../../../deploy/demo/forge.ts'
import type { TokenFault } from '../../../shared/errors.ts'
import { verifyToken, type TokenRole } from '../../../shared/assertion/verify.ts'
import { keyThumbprint } from '../../../shared/certificate/thumbprint.ts'
import { makeMesh } from '../../support/certificates.ts'
import * as tokens from '../../support/tokens.ts'

const { nowS } = tokens
type Members = Readonly<Record<string, unknown>>

interface Recipe {
  readonly claims: Members
  readonly header: Members
  readonly breakSignature: boolean
  readonly revoked: boolean
}

/** Each fault alone, in the order of the contract; what it changes does not undo what another one does. */
type Faults = readonly (readonly [fault: TokenFault, change: (recipe: Recipe) => Recipe])[]

const withClaims = (recipe: Recipe, claims: Members): Recipe => ({
  ...recipe,
  claims: { ...recipe.claims, ...claims },
})
const withHeader = (recipe: Recipe, header: Members): Recipe => ({
  ...recipe,
  header: { ...recipe.header, ...header },
})

const later: Faults = [
  ['signature', (recipe) => ({ ...recipe, breakSignature: true })],
  ['audience', (recipe) => withClaims(recipe, { aud: 'elsewhere.example.com' })],
  ['expired', (recipe) => withClaims(recipe, { exp: nowS - 3600 })],
  ['not_yet_valid', (recipe) => withClaims(recipe, { iat: nowS + 3600 })],
  ['revoked', (recipe) => ({ ...recipe, revoked: true })],
]
const userFaults: Faults = [
  ['malformed', (recipe) => withClaims(recipe, { groups: null })],
  ['algorithm', (recipe) => withHeader(recipe, { alg: 'HS256' })],
  ['issuer', (recipe) => withClaims(recipe, { iss: 'nobody.example.com' })],
  ['key_unknown', (recipe) => withHeader(recipe, { kid: 'unknown' })],
  ...later,
]
const mintedFaults: Faults = [
  ['malformed', (recipe) => withClaims(recipe, { email: 'alice@example.com' })],
  ['algorithm', (recipe) => withHeader(recipe, { alg: 'HS256' })],
  ['key_unknown', (recipe) => withHeader(recipe, { x5c: undefined })],
  ...later,
]

const mesh = makeMesh(tokens.meshIssuer, ['api-access'])
const certificate = mesh.issue('api-access')
const accountKid = keyThumbprint(certificate.keys.publicKey)
const snapshot = tokens.snapshotOf({ authorities: [mesh.authority] })

function serialise(recipe: Recipe, privateKey: typeof certificate.keys.privateKey): string {
  const isHmac = recipe.header['alg'] === 'HS256'
  const key = isHmac ? createHmac('sha256', 'x').digest() : privateKey
  const token = forge({ header: recipe.header, payload: recipe.claims, key })
  return recipe.breakSignature ? tokens.withBrokenSignature(token) : token
}

function verdict(recipe: Recipe, privateKey: typeof certificate.keys.privateKey, role: TokenRole): string {
  const revocations = recipe.revoked ? tokens.everythingRevoked : tokens.nothingRevoked
  const audiences = new Set([tokens.hosts.API])
  const { peer, nothingElseIsKnown: missing } = tokens
  const token = serialise(recipe, privateKey)
  return tokens.refusalOf(() =>
    verifyToken(token, { role, audiences, peer, snapshot, revocations, nowMs: nowS * 1000, missing }),
  )
}

const kinds = [
  {
    kind: "a user's token",
    faults: userFaults,
    privateKey: tokens.pomerium.privateKey,
    good: {
      claims: tokens.userClaims({ aud: tokens.hosts.API, iss: 'pomerium-proxy' }),
      header: { alg: 'ES256', kid: tokens.pomerium.kid, typ: 'JWT' },
      breakSignature: false,
      revoked: false,
    },
  },
  {
    kind: 'a minted token',
    faults: mintedFaults,
    privateKey: certificate.keys.privateKey,
    good: {
      claims: tokens.mintedClaims('api-access'),
      header: { alg: 'ES256', kid: accountKid, typ: 'JWT', x5c: [certificate.base64] },
      breakSignature: false,
      revoked: false,
    },
  },
] as const

for (const { kind, faults, privateKey, good } of kinds) {
  for (const [i, [first, changeFirst]] of faults.entries()) {
    for (const role of ['assertion', 'original_user'] as const) {
      test(`${kind} that is wrong as ${first} alone is ${role}_${first}`, () => {
        assert.equal(verdict(changeFirst(good), privateKey, role), `${role}_${first}`)
      })
    }
    for (const [second, changeSecond] of faults.slice(i + 1)) {
      test(`${kind} that is wrong as ${first} and as ${second} is refused as ${first}`, () => {
        assert.equal(verdict(changeSecond(changeFirst(good)), privateKey, 'assertion'), `assertion_${first}`)
      })
    }
  }

  test(`${kind} that is wrong in every way is refused as the first`, () => {
    const recipe = faults.reduce<Recipe>((before, [, change]) => change(before), good)
    assert.equal(verdict(recipe, privateKey, 'assertion'), 'assertion_malformed')
  })
}

const unlisted: Faults = [
  ['algorithm', (recipe) => withHeader(recipe, { alg: 'ES384' })],
  ['key_unknown', (recipe) => withHeader(recipe, { kid: 'unknown' })],
  ...later,
]
for (const [second, change] of unlisted.slice(1)) {
  test(`an algorithm that the issuer does not list comes before ${second}`, () => {
    const [, changeFirst] = unlisted[0] as Faults[number]
    const { good, privateKey } = kinds[0]
    assert.equal(verdict(change(changeFirst(good)), privateKey, 'assertion'), 'assertion_algorithm')
  })
}
