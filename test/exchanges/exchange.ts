// Carries out one row against a real sidecar, and says what of it was not as the row says.
import { checkAnswer, checkRequest, differs } from './check.ts'
import type { Ground } from './ground.ts'
import { checkPassedAnswer, checkPassedRequest, forged } from './invariants.ts'
import { dial, fill, nextProbe, probe, probeRequest } from './probe.ts'
import type { Bytes, ExpectedAnswer, Row, Step } from './row.ts'
import { ok } from './shapes.ts'
import { readAnswers, saysClose, type Answer, type Asked, type Reading } from './strict.ts'
import { probeBody } from './upstream.ts'
import { Bell, perform, type Surroundings, type Wire } from './wire.ts'

/** Gives every difference between the row and what happened; none for a row that holds. */
export async function runRow(ground: Ground, row: Row, deadlineMs?: number): Promise<string[]> {
  const bell = new Bell(deadlineMs)
  const client = await dial(ground.port, bell)
  const talk = new Talk(ground, filled(row, ground), client, bell)
  const late = await talk.hold().then(
    () => [],
    (error: Error) => [error.message],
  )
  client.socket.destroy()
  const lateEnd = await ground.upstream.settle().then(
    () => [],
    (error: Error) => [error.message],
  )
  const problems = [...late, ...lateEnd, ...talk.check()]
  return problems.length === 0 ? [] : [...problems, ...talk.transcript()]
}

/** One row while it is carried out. */
class Talk {
  readonly #ground: Ground
  readonly #row: Row
  readonly #client: Wire
  readonly #bell: Bell
  readonly #asked: Asked[]
  #sentinel: string | undefined

  constructor(ground: Ground, row: Row, client: Wire, bell: Bell) {
    this.#ground = ground
    this.#row = row
    this.#client = client
    this.#bell = bell
    this.#asked = (row.asked ?? [askedBy(lineOf(row.send))]).map((each) => ({ version: '1.1', ...each }))
  }

  /** @throws {Error} what did not happen in time. */
  async hold(): Promise<void> {
    const { upstream } = this.#ground
    const around: Surroundings = {
      bell: this.#bell,
      has: (where, text) => (where === 'client' ? this.#client.bytes.includes(text) : upstream.has(text)),
      roundTrip: () => probe(this.#ground, this.#bell),
    }
    upstream.play({ answers: this.#row.answers ?? [ok()], early: this.#row.early === true, around })
    await perform(this.#client.socket, this.#row.send, around)
    const { client } = this.#row
    if (client === 'broken off') await this.#untilAnswers(1)
    else if (client === 'no success') await this.#untilEnded()
    else {
      await this.#untilAnswers(client.length)
      if (this.#isToClose(client)) await this.#untilEnded()
      else await this.#askAgain(client.length)
    }
    this.#client.socket.end()
    await this.#bell.until('the sidecar closes what the client ended', () => this.#client.closed)
    await this.#bell.until('the sidecar breaks off what it cannot end', () =>
      upstream.unfinished().every(({ ended, closed }) => ended || closed),
    )
    await probe(this.#ground, this.#bell)
  }

  #isToClose(expected: readonly ExpectedAnswer[]): boolean {
    const closes = expected.at(-1)?.closes ?? false
    if (closes !== 'may') return closes
    return this.#read().messages.slice(0, expected.length).some(saysClose)
  }

  /** A further request on the same connection: its answer shows that both ends know where they are. */
  async #askAgain(count: number): Promise<void> {
    if (this.#read().messages.length < count) return
    await this.#ground.upstream.quiet()
    this.#sentinel = nextProbe()
    this.#asked.push({ method: 'GET', version: '1.1' })
    this.#client.socket.write(probeRequest(this.#ground, this.#sentinel), 'latin1')
    await this.#untilAnswers(count + 1)
  }

  async #untilAnswers(count: number): Promise<void> {
    await this.#bell.until(`answer ${count}`, () => {
      const { messages, violation } = this.#read()
      return messages.length >= count || violation !== undefined || this.#hasEnded()
    })
  }

  async #untilEnded(): Promise<void> {
    await this.#bell.until('the sidecar ends the connection', () => this.#hasEnded())
  }

  #hasEnded(): boolean {
    return this.#client.ended || this.#client.closed
  }

  #read(): Reading<Answer> {
    return readAnswers(this.#client.bytes, this.#asked, this.#hasEnded())
  }

  check(): string[] {
    return [...this.#checkClient(), ...this.#checkUpstream(), ...this.#checkForged()]
  }

  /** What came where, without tokens and handles. */
  transcript(): string[] {
    return [
      `the client got ${shown(this.#client.bytes)}`,
      ...this.#ground.upstream.transcript().map((bytes) => `the upstream got ${shown(bytes)}`),
    ]
  }

  #checkClient(): string[] {
    const { client: expected, tunnel } = this.#row
    const { messages, rest, violation } = this.#read()
    const problems = violation === undefined ? [] : [`at the client: ${violation}`]
    const invariants = tunnel === true ? [] : messages.flatMap((each) => checkPassedAnswer(each))
    if (expected === 'broken off') return [...problems, ...differs('whole answers', messages.length, 0)]
    problems.push(...invariants, ...differs('what is left at the client', rest, ''))
    if (expected === 'no success')
      return [...problems, ...messages.filter(({ status }) => status < 400).map(() => 'a success')]
    if (this.#client.broken) problems.push('the connection to the client was reset')
    const { length } = expected
    problems.push(...differs('the count of answers', messages.slice(0, length).length, length))
    if (this.#sentinel !== undefined)
      problems.push(...differs('the next answer', messages[length]?.body, probeBody(this.#sentinel)))
    return [
      ...problems,
      ...expected.flatMap((each, i) => (messages[i] === undefined ? [] : checkAnswer(messages[i], each))),
    ]
  }

  #checkUpstream(): string[] {
    const { upstream: expected, send, tunnel, abandoned = 0 } = this.#row
    const { upstream } = this.#ground
    const { requests } = upstream
    const unfinished = upstream.unfinished().length
    const problems = upstream.violations().map((violation) => `at the upstream: ${violation}`)
    if (tunnel !== true)
      problems.push(...requests.flatMap((request) => checkPassedRequest(request, this.#ground)))
    if (expected === 'never whole') return [...problems, ...differs('whole requests', requests.length, 0)]
    if (expected === 'perhaps')
      return requests.length + unfinished > 1 ? [...problems, 'two requests'] : problems
    return [
      ...problems,
      ...differs('requests that broke off at the upstream', unfinished, abandoned),
      ...differs('the count of requests at the upstream', requests.length, expected.length),
      ...expected.flatMap((each, i) =>
        requests[i] === undefined ? [] : checkRequest(requests[i], each, lineOf(send)),
      ),
    ]
  }

  #checkForged(): string[] {
    const isSeen = this.#client.bytes.includes(forged) || this.#ground.upstream.has(forged)
    return isSeen ? ['what was forged reached somebody'] : []
  }
}

function shown(bytes: string): string {
  const open = bytes
    .slice(0, 2_000)
    .replaceAll(/eyJ[\w.-]+/g, '{token}')
    .replaceAll(/(x-onbehalf-handle: )[\w-]+/gi, '$1{handle}')
  return JSON.stringify(open)
}

function lineOf(send: Bytes): string {
  const first = (typeof send === 'string' ? [send] : send).map(textOf).join('').trimStart()
  return first.slice(0, first.search(/\r|\n|$/))
}

function textOf(step: Step): string {
  if (typeof step === 'string') return step
  return 'byteByByte' in step ? step.byteByByte : ''
}

function askedBy(line: string): Asked {
  const [method = ''] = line.split(' ')
  return { method, version: line.endsWith(' HTTP/1.0') ? '1.0' : '1.1' }
}

/** The row with every `{name}` filled in, wherever it stands. */
function filled(row: Row, ground: Ground): Row {
  return deepFilled(row, (text) => fill(text, ground)) as Row
}

function deepFilled(value: unknown, fillText: (text: string) => string): unknown {
  if (typeof value === 'string') return fillText(value)
  if (Array.isArray(value)) return value.map((each) => deepFilled(each, fillText))
  if (typeof value !== 'object' || value === null || value instanceof RegExp) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, deepFilled(each, fillText)]))
}
