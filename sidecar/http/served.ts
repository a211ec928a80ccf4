// What no transport serves, whatever its parser lets through.
import { Refusal } from '../../shared/errors.ts'
import { headerValues, type HeaderList } from '../../shared/head.ts'

/** @throws {Refusal} `request_malformed`: TRACE, whose answer would show the client what only the app is told. */
export function refuseMethod(method: string): void {
  if (method === 'TRACE') throw new Refusal('request_malformed', 'TRACE is not served.')
}

/**
 * RFC 9110 section 10.1.1.
 * @throws {Refusal} `request_malformed`: an expectation that cannot be met.
 */
export function refuseExpectation(headers: HeaderList): void {
  if (tokensOf(headers, 'expect').every((expectation) => expectation.toLowerCase() === '100-continue')) return
  throw new Refusal('request_malformed', 'The request expects what cannot be met: only 100-continue can.')
}

/** The members of a field that is a list of tokens, as they are written. */
export function tokensOf(headers: HeaderList, name: string): string[] {
  return headerValues(headers, name)
    .flatMap((value) => value.split(',').map((token) => token.trim()))
    .filter((token) => token !== '')
}
