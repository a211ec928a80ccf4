// A thread that signs its share of the assertions, and writes them into its file.
import type { KeyObject } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { forge } from '../../deploy/demo/forge.ts'
import { assertionClaims } from '../../deploy/demo/pomerium-assertion.ts'
import { host, sessionOf } from './users.ts'

export interface SigningOrder {
  readonly file: string
  /** The number of the first assertion: it decides which user it is about. */
  readonly first: number
  /** The number behind the last one. */
  readonly end: number
  readonly kid: string
  readonly privateKey: KeyObject
}

const linesAtOnce = 1_000

const { file, first, end, kid, privateKey } = workerData as SigningOrder
const header = { alg: 'ES256', kid, typ: 'JWT' }
const shape = { issuer: 'hostOnly', furtherClaims: [] }
const opened = openSync(file, 'w')
let lines = ''
for (let number = first; number < end; number++) {
  const payload = assertionClaims(sessionOf(number), host, shape, Date.now())
  lines += `${forge({ header, payload, key: privateKey })}\n`
  if ((number + 1 - first) % linesAtOnce !== 0 && number + 1 < end) continue
  writeSync(opened, lines)
  lines = ''
}
closeSync(opened)
