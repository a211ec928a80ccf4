// The evidence that the bench signs.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { hashOf, readLink } from '../../shared/evidence/link.ts'
import { signLinks, type Hop } from './links.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const hopOf = (account: string, route: string): Hop => ({
  issuer: 'mesh.example.com',
  account,
  kid: account,
  privateKey,
  x5c: ['AAAA'],
  audience: `${route}.example.com`,
  route,
})

test('there is a link for each hop, bound to the token, to the link before and to one transaction', () => {
  const via = signLinks('a token', [hopOf('one', 'two'), hopOf('two', 'three')]).split(',')
  const [first, second] = via.map((text) => readLink(text).link)
  assert.deepEqual(
    [first?.account, first?.route, second?.account, second?.route],
    ['one', 'two', 'two', 'three'],
  )
  assert.deepEqual([first?.previousHash, second?.previousHash], [undefined, first?.hash])
  assert.deepEqual([first?.userTokenHash, second?.userTokenHash], [hashOf('a token'), hashOf('a token')])
  assert.equal(first?.transactionId, second?.transactionId)
})
