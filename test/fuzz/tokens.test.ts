// Compact JWS, beside jose: what we take it reads alike, and there is no other spelling of it.
import assert from 'node:assert/strict'
import { base64url, decodeJwt, decodeProtectedHeader } from 'jose'
import { MalformedToken, parseJws, type ParsedJws } from '../../shared/assertion/jws.ts'
import { fuzz, type Chance } from './fuzz.ts'
import { mutated, spliced } from './mutation.ts'

const headers = [
  '{"alg":"ES256"}',
  '{"alg":"RS256","typ":"jwt","kid":"k"}',
  '{"alg":"ES256","x5c":["a"]}',
  '{"alg":1}',
]
const values = [
  '"a"',
  '1',
  '-0.5e3',
  'true',
  'null',
  '[1,{"b":":"}]',
  '{"c":{"d":[]}}',
  '"\\u0061\\n\\""',
  '"é:"',
]
const names = ['iss', 'sub', 'exp', 'a:b', 'é', '__proto__', 'a', 'a', '']
const jsonPieces = [
  ...'{}[]":,\\ \n\t\0\x7f\x80\xe9\xff019aeE+-.u'.split(''),
  '\\u0022',
  '\\\\',
  '"a":1,',
  '\xef\xbb\xbf',
  'null',
]
const tokenPieces = [...'.=-_+/ \n\0A9z\xe9'.split(''), '..', '==']

function any(list: readonly string[], chance: Chance): string {
  return list[chance(list.length)] as string
}

function anyPayload(chance: Chance): string {
  const members = Array.from({ length: chance(5) }, () => `"${any(names, chance)}":${any(values, chance)}`)
  return Buffer.from(`{${members.join(',')}}`).toString('latin1')
}

function anyToken(chance: Chance): string {
  const part = (text: string) =>
    Buffer.from(mutated(text, jsonPieces, chance), 'latin1').toString('base64url')
  const make = () =>
    `${part(any(headers, chance))}.${part(anyPayload(chance))}.${Buffer.alloc(chance(5), 'sig').toString('base64url')}`
  const token = chance(8) === 0 ? spliced(make(), make(), chance) : make()
  return chance(3) === 0 ? mutated(token, tokenPieces, chance) : token
}

function parsed(token: string): ParsedJws | undefined {
  try {
    return parseJws(token)
  } catch (error) {
    if (error instanceof MalformedToken) return undefined
    throw error
  }
}

fuzz('tokens', { cases: 10_000, atLeast: { outcome: 'the same', oneIn: 16 } }, (chance) => {
  const token = anyToken(chance)
  const jws = parsed(token)
  if (jws === undefined) return 'refused'
  assert.deepEqual(jws.header.members, decodeProtectedHeader(token), token)
  assert.deepEqual(jws.payload, decodeJwt(token), token)
  assert.equal(`${jws.signingInput}.${base64url.encode(jws.signature)}`, token)
  return 'the same'
})
