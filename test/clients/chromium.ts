// Chromium without a window, driven over a pipe by the DevTools protocol.
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { Ask, Place } from './ask.ts'
import { environment, kill, within } from './child.ts'

type Fields = Readonly<Record<string, unknown>>
type Listener = (params: Fields) => void

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: Fields
  readonly result?: Fields
  readonly error?: { readonly message: string }
}

/** One tab. */
export interface Page {
  /** Resolves when the page has loaded, with an empty text, or with what the network said. */
  goto(url: string): Promise<string>
  /** The value of an expression, awaited, as JSON would carry it. */
  evaluate(expression: string): Promise<unknown>
  /** Evaluates what makes the page go elsewhere; resolves when that has loaded. */
  leave(expression: string): Promise<void>
  /** Chooses a file in the input that an expression gives. */
  chooseFile(input: string, file: string): Promise<void>
  /** Sent with every request of the page from now on. */
  setHeaders(headers: Ask['headers']): Promise<void>
}

export interface Chromium {
  readonly page: Page
  readonly stop: () => Promise<void>
}

export type BrowserPlace = Pick<Place, 'proxy' | 'origin' | 'caPin'>

export async function startChromium(place: BrowserPlace): Promise<Chromium> {
  const home = await mkdtemp(join(tmpdir(), 'onbehalf-chromium-'))
  const child = spawn('chromium', [...chromiumArguments(place), `--user-data-dir=${home}`], {
    env: environment({ HOME: home, TMPDIR: home }),
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  })
  const protocol = new Protocol(child.stdio[3] as Writable, child.stdio[4] as Readable)
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const stop = async () => {
    // Told to, it ends the processes of its own, too.
    const end = protocol.send('Browser.close').then(() => within(ended, 'the end of Chromium'))
    await end.catch(() => kill(child))
    await rm(home, { recursive: true, force: true, maxRetries: 10 })
  }
  try {
    return { page: await openPage(protocol), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function chromiumArguments({ proxy, origin, caPin }: BrowserPlace): string[] {
  return [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--remote-debugging-pipe',
    '--no-first-run',
    '--disable-background-networking',
    // Without TLS, Chromium computes hashes for loopback only.
    `--unsafely-treat-insecure-origin-as-secure=${origin}`,
    `--ignore-certificate-errors-spki-list=${caPin}`,
    ...(proxy === undefined
      ? ['--no-proxy-server']
      : // Without this, Chromium takes no proxy to loopback.
        [`--proxy-server=${proxy}`, '--proxy-bypass-list=<-loopback>']),
  ]
}

const hasEnded = 'Chromium has ended'

/** Commands, their answers and events: JSON, each ended by a zero byte. */
class Protocol {
  readonly #input: Writable
  readonly #waiting = new Map<number, (message: Message) => void>()
  readonly #listeners: [method: string, listener: Listener][] = []
  #lastId = 0
  #hasEnded = false
  #rest = ''

  constructor(input: Writable, output: Readable) {
    this.#input = input
    // Who writes to a browser that has ended learns it from its silence.
    input.on('error', () => undefined)
    output.on('error', () => undefined)
    output.setEncoding('utf8')
    output.on('data', (text: string) => this.#read(text))
    output.on('close', () => {
      this.#hasEnded = true
      const error = { message: hasEnded }
      for (const [id, answer] of this.#waiting) answer({ id, error })
    })
  }

  #read(text: string): void {
    const parts = (this.#rest + text).split('\0')
    this.#rest = parts.pop() as string
    for (const part of parts) this.#take(JSON.parse(part) as Message)
  }

  #take(message: Message): void {
    if (message.id !== undefined) {
      this.#waiting.get(message.id)?.(message)
      return
    }
    for (const [method, listener] of this.#listeners) {
      if (method === message.method) listener(message.params ?? {})
    }
  }

  on(method: string, listener: Listener): void {
    this.#listeners.push([method, listener])
  }

  async send(method: string, params: Fields = {}, sessionId?: string): Promise<Fields> {
    if (this.#hasEnded) throw new Error(`${method}: ${hasEnded}`)
    const id = ++this.#lastId
    const { promise, resolve } = Promise.withResolvers<Message>()
    this.#waiting.set(id, resolve)
    this.#input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    try {
      const { result = {}, error } = await within(promise, method)
      if (error !== undefined) throw new Error(`${method}: ${error.message}`)
      return result
    } finally {
      this.#waiting.delete(id)
    }
  }
}

/**
 * Which documents have loaded. A load event alone does not say whose it is: that of the page which shows an
 * error comes after the navigation to it was answered, and would pass for that of the next page.
 */
class Documents {
  #expected = ''
  readonly #loaded = new Set<string>()
  #waiting = Promise.withResolvers<void>()

  constructor(protocol: Protocol) {
    protocol.on('Page.lifecycleEvent', ({ name, loaderId }) => {
      if (name !== 'load') return
      this.#loaded.add(loaderId as string)
      this.#waiting.resolve()
      this.#waiting = Promise.withResolvers()
    })
  }

  /** Resolves when the document of a navigation has loaded. */
  async expect(loaderId: string): Promise<void> {
    this.#expected = loaderId
    while (!this.#loaded.has(loaderId)) await this.#waiting.promise
  }

  /** Resolves when a document has loaded that is not the expected one. */
  async expectAnother(): Promise<void> {
    const known = new Set(this.#loaded).add(this.#expected)
    while ([...this.#loaded].every((loaderId) => known.has(loaderId))) await this.#waiting.promise
  }
}

interface Evaluated {
  readonly result: { readonly value?: unknown; readonly objectId?: string; readonly description?: string }
  readonly exceptionDetails?: unknown
}

async function openPage(protocol: Protocol): Promise<Page> {
  const { targetId } = await protocol.send('Target.createTarget', { url: 'about:blank' })
  const attached = await protocol.send('Target.attachToTarget', { targetId, flatten: true })
  const send = (method: string, params?: Fields) =>
    protocol.send(method, params, attached['sessionId'] as string)
  await send('Page.enable')
  await send('Network.enable')
  const run = async (params: Fields) => {
    const { result, exceptionDetails } = (await send('Runtime.evaluate', params)) as unknown as Evaluated
    if (exceptionDetails !== undefined) throw new Error(`in the page: ${result.description}`)
    return result
  }
  const documents = new Documents(protocol)
  await send('Page.setLifecycleEventsEnabled', { enabled: true })
  return {
    async goto(url) {
      const { errorText = '', loaderId } = await send('Page.navigate', { url })
      const document = documents.expect(loaderId as string)
      if (errorText !== '') return errorText as string
      await within(document, url)
      return ''
    },
    async evaluate(expression) {
      return (await run({ expression, awaitPromise: true, returnByValue: true })).value
    },
    async leave(expression) {
      const document = documents.expectAnother()
      await run({ expression })
      await within(document, expression)
    },
    async chooseFile(input, file) {
      const { objectId } = await run({ expression: input })
      await send('DOM.setFileInputFiles', { files: [file], objectId })
    },
    async setHeaders(headers) {
      await send('Network.setExtraHTTPHeaders', { headers: Object.fromEntries(headers) })
    },
  }
}
