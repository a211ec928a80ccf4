// The whole table, by topic.
import type { Row } from './row.ts'
import { againRows } from './rows/again.ts'
import { brokenResponseRows } from './rows/broken-responses.ts'
import { chunkedRows } from './rows/chunked.ts'
import { connectRows } from './rows/connect.ts'
import { connectionRows } from './rows/connection.ts'
import { earlyRows } from './rows/early.ts'
import { expectRows } from './rows/expect.ts'
import { forwardingRows } from './rows/forwarding.ts'
import { headAndEmptyRows } from './rows/head-and-empty.ts'
import { headerRows } from './rows/headers.ts'
import { hostRows } from './rows/host.ts'
import { http10Rows } from './rows/http10.ts'
import { informationalRows } from './rows/informational.ts'
import { lengthRows } from './rows/length.ts'
import { optionsRows } from './rows/options.ts'
import { pipeliningRows } from './rows/pipelining.ts'
import { proxyFormRows } from './rows/proxy-form.ts'
import { requestLineRows } from './rows/request-line.ts'
import { responseRows } from './rows/responses.ts'
import { trailerRows } from './rows/trailers.ts'
import { upgradeRows } from './rows/upgrade.ts'

export const table: Readonly<Record<string, readonly Row[]>> = {
  'request line': requestLineRows,
  host: hostRows,
  length: lengthRows,
  chunked: chunkedRows,
  trailers: trailerRows,
  expect: expectRows,
  connection: connectionRows,
  forwarding: forwardingRows,
  'HTTP/1.0': http10Rows,
  pipelining: pipeliningRows,
  'HEAD and empty': headAndEmptyRows,
  informational: informationalRows,
  responses: responseRows,
  'broken responses': brokenResponseRows,
  upgrade: upgradeRows,
  options: optionsRows,
  headers: headerRows,
  'proxy form': proxyFormRows,
  connect: connectRows,
  again: againRows,
  early: earlyRows,
}
