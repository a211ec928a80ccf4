// Reads the header sections that curl and wget print: the last one is that of the answer which counts.

export type Block = { readonly status: number; readonly headers: [name: string, value: string][] }

const statusLine = /^\s*HTTP\/[\d.]+ (\d{3})/
const field = /^\s*([^\s:]+):\s*(.*?)\s*$/

export const noBlock: Block = { status: 0, headers: [] }

export function readBlocks(text: string): Block[] {
  const blocks: Block[] = []
  for (const line of text.split('\n')) {
    const status = statusLine.exec(line)?.[1]
    if (status !== undefined) blocks.push({ status: Number(status), headers: [] })
    const [, name, value] = field.exec(line) ?? []
    if (name !== undefined && value !== undefined) blocks.at(-1)?.headers.push([name.toLowerCase(), value])
  }
  return blocks
}
