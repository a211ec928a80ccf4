// A row of what `onbehalf check` found, and the table of them.
import { asLine } from '../telemetry/log.ts'
import type { Colour, Paint } from './terminal.ts'
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

const colours: Readonly<Partial<Record<RowStatus, Colour>>> = { ok: 'green', warn: 'yellow', fail: 'red' }

export function formatRows(rows: readonly Row[], paint: Paint = (text) => text): string {
  const width = Math.max(...rows.map(({ check }) => check.length))
  return rows
    .map(({ status, check, message }) => {
      const label = paint(labels[status].padEnd(4), colours[status] ?? 'dim')
      // A value must not look like another row, or tell a terminal what to do.
      return `${label}  ${escapeTreacherous(asLine(`${check.padEnd(width)}  ${message}`))}`
    })
    .join('')
}
