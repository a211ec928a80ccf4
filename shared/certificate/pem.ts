// PEM text (RFC 7468) as blocks of a label and its bytes.

export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY`, … */
  readonly label: string
  /** Undefined where what stands between the lines is no base64. */
  readonly der: Buffer | undefined
}

const blockPattern = /-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/g
const base64Pattern = /^[A-Za-z0-9+/]+={0,2}$/

/** All blocks of `text`, in order; what stands outside of blocks is a comment. */
export function parsePem(text: string): PemBlock[] {
  return [...text.matchAll(blockPattern)].map((match) => {
    const body = (match[2] as string).replaceAll(/\s/g, '')
    return {
      label: match[1] as string,
      der: base64Pattern.test(body) ? Buffer.from(body, 'base64') : undefined,
    }
  })
}
