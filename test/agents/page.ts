// The page of documentation that holds the table.
import { join } from 'node:path'

export const pageFile = join(import.meta.dirname, '../../deploy/propagation/README.md')
export const resultsFile = join(import.meta.dirname, 'results.json')

const table = /(?<=<!-- table of test\/agents -->\n)[^]*?(?=<!-- end of table -->)/

export function tableOf(page: string): string {
  return table.exec(page)?.[0] ?? ''
}

export function withTable(page: string, markdown: string): string {
  return page.replace(table, () => markdown)
}
