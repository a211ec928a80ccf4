// Reads one answer of HTTP/1.1 from a connection on which there is one at a time.

export interface Answer {
  readonly status: number
  /** Of head and body. */
  readonly bytes: number
}

/** What the bytes so far say; undefined: the head is not whole yet. @throws Error for a body of unknown length */
export function readAnswer(text: string): Answer | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = text.slice(0, end)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length === undefined) throw new Error(`an answer without a length:\n${head}`)
  return { status: Number(head.slice(9, 12)), bytes: end + 4 + Number(length) }
}
