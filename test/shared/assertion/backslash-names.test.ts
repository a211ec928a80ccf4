// A file, and so a process, of its own: what is parsed here changes how V8 reads JSON from then on (nodejs/node#63785).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MalformedToken, parseJws } from '../../../shared/assertion/jws.ts'

const base64url = (text: string) => Buffer.from(text).toString('base64url')
const tokenOf = (payload: string, header = '{"alg":"ES256"}') =>
  `${base64url(header)}.${base64url(payload)}.AAAA`

function isMalformed(token: string, reason: RegExp): void {
  assert.throws(
    () => parseJws(token),
    (error) => error instanceof MalformedToken && reason.test(error.message),
  )
}

test('a member whose name holds a backslash is malformed, since V8 misreads names after it has seen one', () => {
  isMalformed(tokenOf('{"\\\\":1}'), /backslash/)
  isMalformed(tokenOf('{"a":[{"b\\u005c":1}]}'), /backslash/)
  isMalformed(tokenOf('{}', '{"alg":"ES256","\\\\":1}'), /backslash/)
})

test('a member given twice is found, though another token taught V8 to misread its name', () => {
  // nodejs/node#63785: the second text is read as {"iss":"a","sub":"alice","\\u0":"bob"}.
  isMalformed(tokenOf('{"iss":[],"sub":[],"\\\\u0":0}'), /backslash/)
  isMalformed(tokenOf('{"iss":"a","sub":"alice","\\u0073ub":"bob"}'), /backslash|twice/)
})
