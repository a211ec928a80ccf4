// "Why would this token be refused?": asks the sidecar, and keeps nothing of the token.
import { ask } from './ask.ts'
import { byId, element, fill } from './elements.ts'
import { chosenService } from './service-choice.ts'
import type { Token } from './token.ts'

interface Answer {
  readonly accepted: boolean
  readonly code?: string
  readonly lines: readonly string[]
}

export function openQuestion(token: Token): void {
  const form = byId('question-form', HTMLFormElement)
  const asked = byId('question-token', HTMLTextAreaElement)
  const askedFor = byId('question-for', HTMLTextAreaElement)
  const place = byId('question-answer')
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void answer()
  })
  const clear = () => {
    asked.value = ''
    askedFor.value = ''
    fill(place)
  }
  byId('question-clear').addEventListener('click', clear)
  // A page that is left may be kept as it is, to come back to.
  addEventListener('pagehide', clear)

  async function answer(): Promise<void> {
    const given = asked.value.trim()
    if (given === '') {
      fill(place, element('p', {}, 'Put a token into the first field.'))
      asked.focus()
      return
    }
    const extra = askedFor.value.trim()
    const body = {
      service: chosenService('question-service'),
      token: given,
      ...(extra === '' ? undefined : { for: extra }),
    }
    const headers = { 'content-type': 'application/json' }
    const reply = await ask(token, '/token', { method: 'POST', headers, body: JSON.stringify(body) })
    if (reply.kind === 'fault')
      fill(place, element('p', { class: 'bad' }, `It could not be asked: ${reply.message}`))
    if (reply.kind === 'ok') fill(place, ...answerParts((await reply.response.json()) as Answer))
  }
}

function answerParts({ accepted, code, lines }: Answer): HTMLElement[] {
  const verdict = accepted
    ? 'It would be accepted.'
    : `It would be refused${code === undefined ? '' : `: ${code}`}`
  return [
    element('p', {}, element('strong', { class: `verdict ${accepted ? 'allowed' : 'refused'}` }, verdict)),
    element('ul', {}, ...lines.map((line) => element('li', {}, line))),
  ]
}
