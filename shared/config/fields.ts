// The kinds of values that the mesh file is made of: each with its words, for messages and for editors.
import * as v from 'valibot'
import { parseHost, parseListenAddress, parseOrigin, type Parsed } from './address.ts'
import type { Endpoint, ListenAddress } from './mesh.ts'
import { didYouMean } from './suggest.ts'
import { durationPattern, parseDuration, parseSize, sizePattern } from './units.ts'

/** `must be a list, not a number`, or that a value is missing. `what` begins with its article. */
export function expected(what: string): (issue: v.BaseIssue<unknown>) => string {
  return (issue) =>
    issue.input === null
      ? `has no value; it must be ${what}, or be removed`
      : `must be ${what}, not ${kindOf(issue.input)}`
}

/** The kind and never the value: it could be a secret in the wrong place. */
function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  switch (typeof value) {
    case 'object':
      return 'a map'
    case 'string':
      return 'a text'
    case 'boolean':
      return `${value}`
    default:
      return 'a number'
  }
}

/** A map with exactly these keys; each unknown one is reported at its own place. */
export function section<Entries extends v.ObjectEntries>(about: string, entries: Entries): Section<Entries> {
  const map = v.pipe(
    v.looseObject(entries, (issue) => {
      const missing = issue.path?.at(-1)?.key
      if (typeof missing !== 'string') return expected('a map of keys')(issue)
      return `is missing: ${describe(entries[missing])}`
    }),
    v.metadata({ description: about, additionalProperties: false }),
    v.rawCheck(({ dataset, addIssue }) => {
      const input = dataset.value as Record<string, unknown> | null
      if (typeof input !== 'object' || input === null) return
      for (const [key, value] of Object.entries(input)) {
        if (Object.hasOwn(entries, key)) continue
        const message = `is not a known key${didYouMean(key, Object.keys(entries))}`
        addIssue({ message, path: [{ type: 'object', origin: 'key', input, key, value }] })
      }
    }),
  )
  return notAList(map) as unknown as Section<Entries>
}

/** Without the index signature of what is loose in between. */
type Section<Entries extends v.ObjectEntries> = v.GenericSchema<
  v.InferInput<v.ObjectSchema<Entries, undefined>>,
  v.InferOutput<v.ObjectSchema<Entries, undefined>>
>

/** A map whose keys the user chooses. */
export function mapOf<Value extends v.GenericSchema>(about: string, value: Value) {
  const map = v.pipe(v.record(v.string(), value, expected('a map')), v.metadata({ description: about }))
  return notAList(map) as unknown as v.GenericSchema<
    Record<string, v.InferInput<Value>>,
    Record<string, v.InferOutput<Value>>
  >
}

/** To valibot a list is an object too. */
function notAList(map: v.GenericSchema) {
  const wrong = v.never(expected('a map of keys'))
  return v.lazy((input) => (Array.isArray(input) ? wrong : map))
}

/** The description of a field, its first letter in lower case; for what is missing. */
function describe(schema: v.GenericSchema | v.GenericSchemaAsync | undefined): string {
  const about = schema === undefined ? undefined : v.getMetadata(schema)['description']
  return typeof about === 'string' ? about.charAt(0).toLowerCase() + about.slice(1) : 'it must be given'
}

export function text(about: string, what = 'a text') {
  return v.pipe(
    v.string(expected(what)),
    v.metadata({ description: about }),
    v.nonEmpty('must not be empty'),
    v.maxLength(1024, 'must be at most 1024 characters long'),
  )
}

export function flag(about: string) {
  return v.pipe(v.boolean(expected('true or false')), v.metadata({ description: about }))
}

/** A whole number, 0 or more. */
export function count(about: string) {
  const what = 'a whole number, 0 or more'
  return v.pipe(
    v.number(expected(what)),
    v.metadata({ description: about }),
    v.integer(`must be ${what}`),
    v.minValue(0, `must be ${what}`),
    v.maxValue(Number.MAX_SAFE_INTEGER, 'is too large'),
  )
}

export function choice<const Options extends readonly string[]>(about: string, options: Options) {
  const all =
    options.length < 2 ? String(options[0]) : `${options.slice(0, -1).join(', ')} or ${options.at(-1)}`
  const message = (issue: v.BaseIssue<unknown>): string =>
    typeof issue.input === 'string'
      ? `must be ${all}${didYouMean(issue.input, options)}`
      : expected(all)(issue)
  return v.pipe(v.picklist(options, message), v.metadata({ description: about }))
}

/** A list, empty ones included. */
export function list<Item extends v.GenericSchema>(about: string, item: Item, what = 'a list') {
  return v.pipe(v.array(item, expected(what)), v.metadata({ description: about }))
}

/** One value, or a list of them. The output is a list. */
export function oneOrMany<Item extends v.GenericSchema>(about: string, item: Item, what: string) {
  return v.pipe(
    v.union([item, v.array(item)], expected(`${what} or a list of them`)),
    v.metadata({ description: about }),
    v.transform((given) => (Array.isArray(given) ? given : [given]) as v.InferOutput<Item>[]),
  )
}

/** A text with a form of its own. */
export function parsed<T>(
  about: string,
  what: string,
  parse: (given: string) => Parsed<T>,
  hints: Readonly<Record<string, unknown>> = {},
) {
  return v.pipe(
    v.string(expected(what)),
    v.metadata({ description: about, ...hints }),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const result = parse(dataset.value)
      if ('value' in result) return result.value
      addIssue({ message: result.fault })
      return NEVER
    }),
  )
}

/** To milliseconds. */
export function duration(about: string) {
  const fault = 'must be a duration such as 250ms, 30s, 5m or 1h, at most 24 days'
  return parsed<number>(about, 'a duration such as 30s', (given) => orFault(parseDuration(given), fault), {
    pattern: durationPattern,
    examples: ['30s', '5m'],
  })
}

/** To bytes. */
export function size(about: string) {
  const fault = 'must be a size such as 32KiB, 64MiB or a plain number of bytes'
  return v.pipe(
    v.union(
      [
        v.pipe(v.number(), v.metadata({ minimum: 0 }), v.integer(fault), v.minValue(0, fault)),
        parsed<number>(about, 'a size', (given) => orFault(parseSize(given), fault), {
          pattern: sizePattern,
        }),
      ],
      expected('a size such as 32KiB or a number of bytes'),
    ),
    v.metadata({ description: about, examples: ['32KiB', '64MiB'] }),
  )
}

function orFault<T>(value: T | undefined, fault: string): Parsed<T> {
  return value === undefined ? { fault } : { value }
}

export function origin(about: string, example: string) {
  return parsed<Endpoint>(about, 'a URL', parseOrigin, { examples: [example] })
}

export function host(about: string) {
  return parsed<string>(about, 'a host name', parseHost)
}

/** One address or a list of them. */
export function listenAddresses(about: string) {
  const address = parsed<ListenAddress>(about, 'an address such as 127.0.0.1:15006', parseListenAddress)
  return oneOrMany(about, address, 'an address such as 127.0.0.1:15006')
}

/** The name of a file: never its contents, which every reader of the mesh file would then have. */
export function fileName(about: string) {
  return parsed<string>(about, 'the name of a file', parseFileName)
}

export function parseFileName(given: string): Parsed<string> {
  if (looksLikeSecret(given)) {
    return { fault: 'must be the name of a file, not its contents: write them to a file and give its name' }
  }
  if (given === '' || given.includes('\0')) return { fault: 'must be the name of a file' }
  return { value: given }
}

/** A PEM, a JWT, or anything that no file is called. */
export function looksLikeSecret(given: string): boolean {
  return (
    given.includes('-----BEGIN') ||
    /[\r\n]/.test(given) ||
    given.length > 1024 ||
    /^(LS0tLS1|eyJ)[\w-]{8}/.test(given)
  )
}
