// What every client is asked, as data: the request, the answer it is to get, and what is to reach the app.
import type { Ability, Ask } from './ask.ts'
import { contents } from './app.ts'

export interface Scenario {
  readonly name: string
  readonly needs?: Ability
  readonly path: string
  readonly ask?: Partial<Pick<Ask, 'method' | 'headers' | 'streamed'>>
  /** Whether the file of 1 MiB is the body. */
  readonly uploads?: boolean
  readonly status?: number
  /** What the client is to get; undefined: nothing is said about it. */
  readonly content?: Buffer
  /** The values of these headers, in order. */
  readonly headers?: Readonly<Record<string, readonly string[]>>
  /** Methods and targets, in order; default: what was asked. */
  readonly arrives?: readonly string[]
}

const { nothing, plain, large } = contents

export const scenarios: readonly Scenario[] = [
  { name: 'GET, its query byte for byte', path: '/plain?a=%20%2f&b=%C3%BC;c', content: plain },
  {
    name: 'HEAD, with the length of what GET would bring',
    path: '/plain',
    ask: { method: 'HEAD' },
    content: nothing,
    headers: { 'content-length': [String(plain.length)] },
  },
  { name: 'POST of 1 MiB with its length', path: '/upload', ask: { method: 'POST' }, uploads: true },
  {
    name: 'POST of 1 MiB as a stream',
    needs: 'stream',
    path: '/upload',
    ask: { method: 'POST', streamed: true },
    uploads: true,
  },
  {
    name: 'PUT that expects 100-continue',
    needs: 'expect',
    path: '/upload',
    ask: { method: 'PUT', headers: [['Expect', '100-continue']] },
    uploads: true,
  },
  { name: 'POST without a body', path: '/upload', ask: { method: 'POST' }, content: plain },
  { name: 'DELETE', path: '/plain', ask: { method: 'DELETE' }, content: plain },
  { name: 'download of 8 MiB with its length', path: '/large', content: large },
  { name: 'download of 8 MiB in chunks', path: '/large-chunked', content: large },
  {
    name: 'redirect, followed by the client',
    needs: 'redirect',
    path: '/redirect',
    content: plain,
    arrives: ['GET /redirect', 'GET /plain?landed'],
  },
  { name: '204', path: '/no-content', status: 204, content: nothing },
  {
    name: '304',
    needs: 'conditional',
    path: '/not-modified',
    ask: { headers: [['If-None-Match', '"v1"']] },
    status: 304,
    content: nothing,
    headers: { etag: ['"v1"'] },
  },
  {
    name: 'several Set-Cookie',
    needs: 'cookies',
    path: '/cookies',
    headers: { 'set-cookie': ['a=1; Path=/', 'b=2', 'c=3; HttpOnly'] },
  },
  {
    name: "the app's own error, which is no refusal",
    path: '/failing',
    status: 500,
    content: plain,
    headers: { 'x-onbehalf-error': [] },
  },
]
