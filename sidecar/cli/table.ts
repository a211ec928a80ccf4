// Rows in columns, for people.
import { escapeTreacherous } from './token-words.ts'

/** The first row is the heading. Each column is as wide as its longest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  const lines = rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return escapeTreacherous(`${lines.join('\n')}\n`)
}
