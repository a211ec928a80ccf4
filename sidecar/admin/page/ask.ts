// Asks the sidecar: each request with the token, and in words what came of it.
import type { Token } from './token.ts'

export interface Asked {
  readonly method?: 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal
}

export type Reply =
  | { readonly kind: 'ok'; readonly response: Response }
  /** The token is not the right one, and is asked for. */
  | { readonly kind: 'token' }
  | { readonly kind: 'fault'; readonly message: string }

/** @param target a path of this origin. */
export async function ask(token: Token, target: string, options: Asked = {}): Promise<Reply> {
  const { value } = token
  if (value === undefined) return askForToken(token, '')
  const headers = { ...options.headers, authorization: `Bearer ${value}` }
  try {
    const response = await fetch(target, { ...options, headers, cache: 'no-store' })
    if (response.ok) return { kind: 'ok', response }
    const message = await messageOf(response)
    // By now another token may have been given.
    if (response.status === 401 && token.value === value) return askForToken(token, message)
    return { kind: 'fault', message: `${response.status} ${message}`.trim() }
  } catch (error) {
    return { kind: 'fault', message: error instanceof Error ? error.message : 'unknown error' }
  }
}

function askForToken(token: Token, message: string): Reply {
  token.ask(message === '' ? undefined : `That token is not the right one. ${message}`)
  return { kind: 'token' }
}

async function messageOf(response: Response): Promise<string> {
  const text = await response.text()
  try {
    const { message } = JSON.parse(text) as { message?: unknown }
    return typeof message === 'string' ? message : ''
  } catch {
    return text
  }
}
