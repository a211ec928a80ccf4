// Requests that no app and no Pomerium would make: at a sidecar's own ports, with any header.
import { exchange, type Answer } from './exchange.ts'
import type { Service } from './topology.ts'

export const assertion = 'X-Pomerium-Jwt-Assertion'
export const originalUser = 'X-Pomerium-Jwt-Assertion-For'

type Header = readonly [name: string, value: string]

/** Straight to the inbound port of a sidecar, around whatever stands before it. */
export function present({ inboundPort, host }: Service, ...headers: Header[]): Promise<Answer> {
  return exchange({ port: inboundPort, headers: [['Host', host], ...headers] })
}

/** Out of the app of a service, through its sidecar. */
export function callThrough({ outboundPort }: Service, host: string, ...headers: Header[]): Promise<Answer> {
  return exchange({ port: outboundPort, target: `http://${host}/`, headers: [['Host', host], ...headers] })
}

/** The status of each answer, and the code of each refusal. */
export function outcome(...answers: readonly Answer[]): string {
  return answers.map(({ status, refusal }) => `${status} ${refusal}`.trimEnd()).join(', then ')
}
