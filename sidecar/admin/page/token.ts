// The admin token: taken from the address, kept for this tab alone, and asked for where it is missing or wrong.
import { byId, say } from './elements.ts'

const key = 'onbehalf admin token'

export interface Token {
  readonly value: string | undefined
  /** It is wrong, or was never there: asks for another. @param more what the sidecar says of it. */
  ask(more?: string): void
}

/** @param onToken is told when there is one to try. */
export function openToken(onToken: () => void): Token {
  const form = byId('token-form', HTMLFormElement)
  const field = byId('token', HTMLInputElement)
  const parts = byId('parts')
  takeFromAddress()
  const use = (value: string) => {
    sessionStorage.setItem(key, value)
    say(byId('token-problem'), '')
    field.value = ''
    form.hidden = true
    parts.hidden = false
    onToken()
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const value = field.value.trim()
    if (value !== '') use(value)
  })
  // The address of a page that is open may be replaced by one with another token.
  addEventListener('hashchange', () => {
    const value = takeFromAddress()
    if (value !== undefined) use(value)
  })
  return {
    get value() {
      return sessionStorage.getItem(key) ?? undefined
    },
    ask(more) {
      const isFirst = form.hidden
      sessionStorage.removeItem(key)
      say(byId('token-problem'), more ?? '')
      form.hidden = false
      parts.hidden = true
      if (isFirst) field.focus()
    },
  }
}

/** What the address holds stays neither in the history nor on the screen. */
function takeFromAddress(): string | undefined {
  const given = /^#token=(.*)$/.exec(location.hash)?.[1]
  if (given === undefined) return undefined
  history.replaceState(null, '', location.pathname + location.search)
  const value = decoded(given)
  if (value === '') return undefined
  sessionStorage.setItem(key, value)
  return value
}

/** A plus sign is one, and what is no encoding is the token itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
