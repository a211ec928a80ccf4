// Plain text for the terminal: headings, aligned tables, colour only where a terminal wants it.
import { stripVTControlCharacters, styleText } from 'node:util'

export function heading(text: string): string {
  return `\n${styleText('bold', text)}\n`
}

/** `ok` or `DIFFERS`. */
export function verdict(right: boolean): string {
  return right ? styleText('green', 'ok') : styleText(['red', 'bold'], 'DIFFERS')
}

/** Columns as wide as their widest cell; colours do not count. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((_, column) =>
    Math.max(...[header, ...rows].map((row) => width(row[column] ?? ''))),
  )
  const line = (row: readonly string[]) =>
    `  ${row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell))).join('  ')}`.trimEnd()
  return [styleText('dim', line(header)), ...rows.map(line)].join('\n')
}

function width(text: string): number {
  return stripVTControlCharacters(text).length
}
