// Reads the answers on a connection by their framing, so that a whole one can be told from one that broke off.

export interface ReadAnswer {
  readonly status: number
  /** `x-onbehalf-error`, or empty. */
  readonly code: string
}

export interface ReadAnswers {
  /** Those that are whole, 1xx included. */
  readonly whole: readonly ReadAnswer[]
  /** What comes behind them: the begin of one that is not. */
  readonly rest: string
}

/** Of bytes as latin1. An answer without a length and chunks is never whole: only its connection ends it. */
export function readAnswers(bytes: string): ReadAnswers {
  const whole: ReadAnswer[] = []
  let rest = bytes
  for (;;) {
    const head = /^HTTP\/1\.1 (\d{3})[^]*?\r\n\r\n/.exec(rest)
    if (head === null) return { whole, rest }
    const status = Number(head[1])
    const length = status < 200 ? 0 : bodyLength(head[0], rest.slice(head[0].length))
    if (length === undefined) return { whole, rest }
    whole.push({ status, code: /^x-onbehalf-error: (\S+)/im.exec(head[0])?.[1] ?? '' })
    rest = rest.slice(head[0].length + length)
  }
}

/** Undefined where the end of the body is not there. */
function bodyLength(head: string, rest: string): number | undefined {
  const length = /^content-length: (\d+)\r$/im.exec(head)?.[1]
  if (length !== undefined) return rest.length >= Number(length) ? Number(length) : undefined
  if (!/^transfer-encoding: chunked\r$/im.test(head)) return undefined
  return /^(?:[1-9a-f][0-9a-f]*\r\n[^]*?\r\n)*?0\r\n(?:[^\r\n]+\r\n)*\r\n/i.exec(rest)?.[0].length
}
