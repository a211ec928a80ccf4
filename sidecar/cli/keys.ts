// `onbehalf keys`: the keys by which a running sidecar verifies and signs, and until when.
import type { describeKeys } from '../admin/describe.ts'
import type { Io } from './io.ts'
import { show } from './show.ts'
import { table } from './table.ts'

type Answer = ReturnType<typeof describeKeys>

const about = `Shows the keys that the running sidecar of a service goes by: of each issuer, the roots of the mesh, and the
service account's own. A kid is what onbehalf revoke --kid takes.`

const untilOf = (until: string, isRevoked: boolean) => (isRevoked ? 'revoked' : until)

function toText(answer: unknown): string {
  const { issuers, roots, account } = answer as Answer
  const rows = [
    ...issuers.flatMap(
      ({ issuer, loaded, key_ids: keyIds, revoked_key_ids: revoked, usable_until: until = '' }) =>
        loaded && keyIds.length > 0
          ? keyIds.map((keyId) => ['issuer', issuer, keyId, untilOf(until, revoked.includes(keyId))])
          : [['issuer', issuer, loaded ? 'no key that can be used' : 'never loaded', until]],
    ),
    ...roots.map(({ issuer, fingerprint256, valid_to: validTo }) => [
      'root',
      issuer,
      fingerprint256,
      isoOf(validTo),
    ]),
    ...(account === undefined
      ? []
      : [['account', account.account, account.key_id, untilOf(account.valid_to, account.revoked)]]),
  ]
  return table([['KIND', 'OF', 'KID OR FINGERPRINT', 'USABLE UNTIL'], ...rows])
}

/** A certificate says `Nov 23 05:46:57 2036 GMT`, everything else here ISO 8601. */
function isoOf(text: string): string {
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? text : new Date(ms).toISOString()
}

export function keys(args: string[], io: Io): Promise<number> {
  return show({ name: 'keys', about, target: '/keys', toText }, args, io)
}
