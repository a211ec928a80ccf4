// The ids of requests: UUIDs, each in one piece.
import { randomUUID } from 'node:crypto'

/** Node's own is a chain of fourteen strings, and lives as long as the session that names it: 490 bytes, of which 66 do. */
export function newRequestId(): string {
  return Buffer.from(randomUUID(), 'latin1').toString('latin1')
}
