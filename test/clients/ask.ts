// What a client is asked to do and what it tells of it: the one form for programs, libraries and the browser.
import { createHash } from 'node:crypto'

/** One request, to be carried out in the client's own way; redirects are followed. */
export interface Ask {
  readonly method: string
  readonly url: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** The file that holds the body. */
  readonly bodyFile?: string
  /** The length of the body is not told in advance. */
  readonly streamed?: boolean
  /** Leave when the answer has begun. */
  readonly leave?: boolean
}

/** The last answer, after redirects. Without one: status 0, and why. */
export interface Told {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** SHA-256 of the content in hexadecimal, as the client hands it out. */
  readonly sha256: string
  /** The content of an answer from 400 on, as text. */
  readonly text: string
  readonly error: string
}

/** What not every client can do. */
export type Ability =
  | 'stream'
  | 'expect'
  | 'conditional'
  | 'redirect'
  | 'cookies'
  | 'other origins'
  | 'content of 401'
  | 'keep-alive'
  | 'keep-alive in a tunnel'

/** Where a client is to be started. */
export interface Place {
  /** The URL of the proxy; undefined: none. */
  readonly proxy: string | undefined
  /** The certificate of the authority that is to be trusted, in PEM. */
  readonly caFile: string
  /** SHA-256 of its public key info, in base64. */
  readonly caPin: string
  /** For the client's own files. */
  readonly folder: string
  /** What all URLs begin with. */
  readonly origin: string
}

export interface RunningClient {
  /** Carries out one after the other, on one connection where the client can. */
  ask(asks: readonly Ask[]): Promise<Told[]>
  stop(): Promise<void>
}

export interface Client {
  readonly name: string
  /** Why it cannot run here. */
  readonly missing: string | undefined
  /** What it cannot do, and why. */
  readonly cannot: Readonly<Partial<Record<Ability, string>>>
  /** Whether it hands out compressed content decoded. */
  readonly decodes: boolean
  start(place: Place): Promise<RunningClient>
}

/** What is told of an answer's content. */
export function toldContent(status: number, content: Buffer): Pick<Told, 'sha256' | 'text'> {
  return { sha256: sha256(content), text: status < 400 ? '' : content.toString() }
}

export const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex')

/** The values of a header, in order. */
export function toldValues(told: Told, name: string): string[] {
  return told.headers.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value)
}
