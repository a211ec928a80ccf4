// A row of what `onbehalf check` found, and the table of them.
import { asLine } from '../telemetry/log.ts'
import { escapeTreacherous } from './token-words.ts'

/** `info` is neither good nor bad. */
export type RowStatus = 'ok' | 'info' | 'warn' | 'fail'

export interface Row {
  readonly status: RowStatus
  /** What was looked at: `redis`, `issuer pomerium`. */
  readonly check: string
  /** What was found, and what to do about it. */
  readonly message: string
}

/** Makes rows of one check. */
export function rowsFor(check: string) {
  const row =
    (status: RowStatus) =>
    (message: string): Row => ({ status, check, message })
  return { ok: row('ok'), info: row('info'), warn: row('warn'), fail: row('fail') }
}

const labels: Readonly<Record<RowStatus, string>> = { ok: 'ok', info: '-', warn: 'warn', fail: 'FAIL' }

export function formatRows(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(({ check }) => check.length))
  return (
    rows
      .map(({ status, check, message }) => `${labels[status].padEnd(4)}  ${check.padEnd(width)}  ${message}`)
      // A value must not look like another row, or tell a terminal what to do.
      .map((row) => escapeTreacherous(asLine(row)))
      .join('')
  )
}
