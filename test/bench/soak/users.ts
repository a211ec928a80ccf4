// The users of the soak: who come again with the assertion that they have, and get a new one in time.
import type { KeyObject } from 'node:crypto'
import { forge } from '../../../deploy/demo/forge.ts'
import { assertionClaims } from '../../../deploy/demo/pomerium-assertion.ts'
import { host, sessionOf, userCount } from '../users.ts'

/** Assertions live for five minutes. */
const renewedAfterMs = 120_000
/** Every so manieth request has a new one, as each has that comes through Pomerium. */
const newEvery = 4

export class SoakUsers {
  readonly #kid: string
  readonly #key: KeyObject
  readonly #tokens: { readonly text: string; readonly signedAtMs: number }[] = []
  #requests = 0

  constructor(kid: string, key: KeyObject) {
    this.#kid = kid
    this.#key = key
  }

  /** The assertion of the next request. */
  next(): string {
    const number = this.#requests++
    return number % newEvery === 0 ? this.#sign(number) : this.#known(number % userCount)
  }

  #known(user: number): string {
    const known = this.#tokens[user]
    if (known !== undefined && Date.now() - known.signedAtMs < renewedAfterMs) return known.text
    const text = this.#sign(user)
    this.#tokens[user] = { text, signedAtMs: Date.now() }
    return text
  }

  #sign(number: number): string {
    const shape = { issuer: 'hostOnly', furtherClaims: [] }
    const payload = assertionClaims(sessionOf(number), host, shape, Date.now())
    return forge({ header: { alg: 'ES256', kid: this.#kid, typ: 'JWT' }, payload, key: this.#key })
  }
}
