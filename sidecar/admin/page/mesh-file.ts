// The mesh file as it is in effect at a service: read when the service is chosen, when it changed, and when asked for.
import { ask } from './ask.ts'
import { byId, say } from './elements.ts'
import type { ServiceState } from './protocol.ts'
import { chosenService } from './service-choice.ts'
import type { Token } from './token.ts'
import { clock } from './words.ts'

const choice = 'file-service'

export class MeshFile {
  readonly #token: Token
  /** Which service's, and of when, is shown. */
  #shown = ''

  constructor(token: Token) {
    this.#token = token
    byId('file-again').addEventListener('click', () => void this.#read())
  }

  render(states: readonly ServiceState[]): void {
    const state = states.find(({ service }) => service === chosenService(choice))
    if (state === undefined) return
    const shown = JSON.stringify([state.service, state.configuration.loadedAtMs])
    if (shown === this.#shown) return
    this.#shown = shown
    void this.#read()
  }

  async #read(): Promise<void> {
    const service = chosenService(choice)
    const reply = await ask(this.#token, `/config?${new URLSearchParams({ service }).toString()}`)
    // By now another one may have been chosen.
    if (reply.kind === 'token' || service !== chosenService(choice)) return
    if (reply.kind === 'fault') {
      say(byId('file-state'), `It could not be read: ${reply.message}`)
      return
    }
    const text = await reply.response.text()
    say(byId('file-text'), text)
    say(byId('file-state'), `Read at ${clock(Date.now())}.`)
  }
}
