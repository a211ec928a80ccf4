// Compares what was seen with what a row says; every difference is one line.
import { isDeepStrictEqual } from 'node:util'
import type { ExpectedAnswer, ExpectedFields, ExpectedRequest } from './row.ts'
import { saysClose, valuesOf, type Answer, type Field, type Message } from './strict.ts'

export function checkRequest(request: Message, expected: ExpectedRequest, sentLine: string): string[] {
  const { line = sentLine, body = '' } = expected
  return [
    ...differs('the request line at the upstream', request.startLine, line),
    ...differs('the body at the upstream', request.body, body),
    ...checkFields('at the upstream', request, expected),
  ]
}

export function checkAnswer(answer: Answer, expected: ExpectedAnswer): string[] {
  return [
    ...differs('the status', answer.status, expected.status),
    ...(expected.reason === undefined
      ? []
      : differs('the reason', answer.startLine.slice('HTTP/1.1 200 '.length), expected.reason)),
    ...(expected.closes === 'may'
      ? []
      : differs('that the connection closes', saysClose(answer), expected.closes === true)),
    ...(expected.code === undefined
      ? differs('the body at the client', answer.body, expected.body ?? '')
      : checkRefusal(answer, expected.code)),
    ...(expected.code === undefined ? differs('the refusal', codeOf(answer), undefined) : []),
    ...checkInterim(answer, expected.interim ?? []),
    ...checkFields('at the client', answer, expected),
  ]
}

function codeOf(answer: Answer): string | undefined {
  return valuesOf(answer.fields, 'x-onbehalf-error')[0]
}

/** What a refusal says of itself, in both places that it says it. */
function checkRefusal(answer: Answer, expected: string | RegExp): string[] {
  const code = codeOf(answer) ?? ''
  const isIt = typeof expected === 'string' ? code === expected : expected.test(code)
  if (!isIt) return differs('the refusal', code, String(expected))
  if (valuesOf(answer.fields, 'x-onbehalf-request-id').length !== 1)
    return ['a refusal without its request id']
  if (answer.framing === 'none') return []
  try {
    const { error } = JSON.parse(answer.body) as { error?: unknown }
    return differs('the code in the body of the refusal', error, code)
  } catch {
    return ['a refusal that is no JSON']
  }
}

function checkInterim(
  { interim }: Answer,
  expected: Exclude<ExpectedAnswer['interim'], undefined>,
): string[] {
  const statuses = interim.map(({ startLine }) => Number(startLine.split(' ')[1]))
  if (expected === '100?')
    return statuses.length > 1 || statuses.some((status) => status !== 100)
      ? [`1xx: ${statuses.join(', ')}`]
      : []
  return [
    ...differs(
      'the 1xx answers',
      statuses,
      expected.map(({ status }) => status),
    ),
    ...interim.flatMap((each, i) => checkFields('in the 1xx', each, expected[i] ?? {})),
  ]
}

function checkFields(where: string, message: Message, expected: ExpectedFields): string[] {
  const { has = {}, lacks = [], lines = [], trailers = [], framing } = expected
  return [
    ...Object.entries(has).flatMap(([name, value]) =>
      checkValues(`${name} ${where}`, valuesOf(message.fields, name), value),
    ),
    ...lacks.flatMap((name) => checkValues(`${name} ${where}`, valuesOf(message.fields, name), [])),
    ...(lines.length === 0
      ? []
      : differs(`the lines ${where}`, linesNamed(message.fields, namesOf(lines)), lines)),
    ...differs(`the trailers ${where}`, message.trailers.map(lineOf), trailers),
    ...(framing === undefined ? [] : differs(`the framing ${where}`, message.framing, framing)),
  ]
}

function checkValues(
  what: string,
  actual: readonly string[],
  expected: string | RegExp | readonly string[],
): string[] {
  if (!(expected instanceof RegExp))
    return differs(what, actual, typeof expected === 'string' ? [expected] : expected)
  const isOne = actual.length === 1 && expected.test(actual[0] ?? '')
  return isOne ? [] : differs(what, actual, String(expected))
}

function lineOf([name, value]: Field): string {
  return `${name}: ${value}`
}

function namesOf(lines: readonly string[]): ReadonlySet<string> {
  return new Set(lines.map((line) => line.slice(0, line.indexOf(':')).toLowerCase()))
}

function linesNamed(fields: readonly Field[], names: ReadonlySet<string>): string[] {
  return fields.filter(([name]) => names.has(name.toLowerCase())).map(lineOf)
}

export function differs(what: string, actual: unknown, expected: unknown): string[] {
  if (isDeepStrictEqual(actual, expected)) return []
  return [`${what}: ${brief(actual)}, and should be ${brief(expected)}`]
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 400 ? `${text.slice(0, 400)}… (${text.length})` : text
}
