// Why evidence does not count, and of which link.

/** The message is for logs and for whoever checks evidence by hand; a caller is told less. */
export class EvidenceFault extends Error {
  override readonly name = 'EvidenceFault'
  /** Which one, from 1; undefined where it is about all of them. */
  readonly link: number | undefined
  /** Without the number of the link. */
  readonly why: string

  constructor(link: number | undefined, why: string, cause?: unknown) {
    super(link === undefined ? why : `link ${link}: ${why}`, cause === undefined ? undefined : { cause })
    this.link = link
    this.why = why
  }
}
