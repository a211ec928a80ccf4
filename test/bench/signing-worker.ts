// A thread that signs its share of the assertions, and writes them into its file.
import { closeSync, openSync, writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { forge } from '../../deploy/demo/forge.ts'
import { assertionClaims } from '../../deploy/demo/pomerium-assertion.ts'
import type { Signing } from './assertions.ts'
import { signLinks } from './links.ts'
import { sessionOf } from './users.ts'

export interface SigningOrder extends Signing {
  readonly file: string
  /** The number of the first assertion: it decides which user it is about. */
  readonly first: number
  /** The number behind the last one. */
  readonly end: number
}

const linesAtOnce = 1_000

const { file, first, end, host, keys, hops } = workerData as SigningOrder

function line(number: number): string {
  const { kid, privateKey, issuer = 'hostOnly' } = keys[number % keys.length] as Signing['keys'][number]
  const payload = assertionClaims(sessionOf(number), host, { issuer, furtherClaims: [] }, Date.now())
  const token = forge({ header: { alg: 'ES256', kid, typ: 'JWT' }, payload, key: privateKey })
  return hops.length === 0 ? token : `${token}\t${signLinks(token, hops)}`
}

const opened = openSync(file, 'w')
let lines = ''
for (let number = first; number < end; number++) {
  lines += `${line(number)}\n`
  if ((number + 1 - first) % linesAtOnce !== 0 && number + 1 < end) continue
  writeSync(opened, lines)
  lines = ''
}
closeSync(opened)
