// PPL's string matcher and list matcher: read from the file once, then plain functions. All are case-sensitive.
import { fault, inside, isObject, isStrict, kindOf, unknownName, type Place } from './place.ts'

const stringKeys = ['is', 'not', 'contains', 'starts_with', 'ends_with', 'in', 'not_in'] as const
export type StringKey = (typeof stringKeys)[number]

export interface StringMatcher {
  readonly test: (value: string) => boolean
  /** Whether it holds for all values but some (`not`, `not_in`). */
  readonly isNegative: boolean
}

/** What is wrong with a value that a matcher compares with, beyond its form; undefined: nothing. */
export type ValueCheck = (value: string, key: StringKey) => string | undefined

/**
 * Compiles a string matcher: a scalar means `is`, several keys must all hold. Reports what is wrong and gives
 * undefined then. An empty subject is an absent one, and where the place is strict it never matches.
 */
export function compileStringMatcher(
  data: unknown,
  place: Place,
  check?: ValueCheck,
): StringMatcher | undefined {
  const parts = (isObject(data) ? Object.entries(data) : [['is', data] as const]).map(([key, value]) =>
    compileStringPart(key, value, isObject(data) ? inside(place, key) : place, check),
  )
  if (parts.length === 0) return fault(place, `A string matcher needs one of ${stringKeys.join(', ')}.`)
  if (!parts.every((part) => part !== undefined)) return undefined
  const isNegative = parts.some((part) => part.isNegative)
  const tests = parts.map((part) => part.test)
  const [only] = tests
  const test =
    only !== undefined && tests.length === 1 ? only : (value: string) => tests.every((each) => each(value))
  return { test: isStrict(place) ? (value) => value !== '' && test(value) : test, isNegative }
}

function compileStringPart(
  key: string,
  data: unknown,
  place: Place,
  check: ValueCheck | undefined,
): StringMatcher | undefined {
  const known = stringKeys.find((candidate) => candidate === key)
  if (known === undefined) return fault(place, unknownName('string matcher', key, stringKeys))
  const isSet = known === 'in' || known === 'not_in'
  const values = isSet ? readStrings(data, place) : readOne(data, place)
  if (values === undefined) return undefined
  const complaints = values.map((value, i) => {
    const complaint = check?.(value, known)
    if (complaint !== undefined) fault(isSet ? inside(place, i) : place, complaint)
    return complaint
  })
  if (complaints.some((complaint) => complaint !== undefined)) return undefined
  return stringTest(known, values)
}

function stringTest(key: StringKey, values: readonly string[]): StringMatcher {
  const isNegative = key === 'not' || key === 'not_in'
  if (key === 'in' || key === 'not_in') {
    const set = new Set(values)
    return { test: (subject) => set.has(subject) !== isNegative, isNegative }
  }
  const compare = comparisons[key]
  const value = values[0] as string
  return { test: (subject) => compare(subject, value), isNegative }
}

type Comparison = (subject: string, value: string) => boolean

const comparisons: Readonly<Record<Exclude<StringKey, 'in' | 'not_in'>, Comparison>> = {
  is: (subject, value) => subject === value,
  not: (subject, value) => subject !== value,
  contains: (subject, value) => subject.includes(value),
  starts_with: (subject, value) => subject.startsWith(value),
  ends_with: (subject, value) => subject.endsWith(value),
}

function readOne(data: unknown, place: Place): readonly string[] | undefined {
  const value = readString(data, place)
  return value === undefined ? undefined : [value]
}

/** A string that is not empty. */
export function readString(data: unknown, place: Place): string | undefined {
  if (data === '') return fault(place, 'Must not be empty.')
  if (typeof data === 'string') return data
  if (typeof data === 'number' || typeof data === 'boolean') {
    return fault(place, `Must be a string, not ${kindOf(data)}: put it in quotes.`)
  }
  if (Array.isArray(data)) {
    return fault(
      place,
      'Must be one string, not a list: for several, use the matcher `in`, or several entries under `or`.',
    )
  }
  return fault(place, `Must be a string, not ${kindOf(data)}.`)
}

/** A list of strings, none of them empty, with at least one entry. */
export function readStrings(data: unknown, place: Place): readonly string[] | undefined {
  if (!Array.isArray(data)) return fault(place, `Must be a list of strings, not ${kindOf(data)}.`)
  if (data.length === 0) return fault(place, 'Must not be an empty list.')
  const values = data.map((value, i) => readString(value, inside(place, i)))
  return values.every((value) => value !== undefined) ? values : undefined
}

const listKeys = ['has', 'is', 'exclude'] as const
type ListKey = (typeof listKeys)[number]

/** Several must all hold. */
export type ListMatcher = Readonly<Partial<Record<ListKey, string>>>

/** Reads a list matcher: a scalar means `has`. With `scalars`, numbers and booleans are taken by their text. */
export function readListMatcher(data: unknown, place: Place, scalars: boolean): ListMatcher | undefined {
  if (!isObject(data)) {
    const has = readElement(data, place, scalars)
    return has === undefined ? undefined : { has }
  }
  const matcher: Partial<Record<ListKey, string>> = {}
  const entries = Object.entries(data).map(([key, value]) => {
    const known = listKeys.find((candidate) => candidate === key)
    if (known === undefined) return fault(inside(place, key), unknownName('list matcher', key, listKeys))
    const element = readElement(value, inside(place, key), scalars)
    if (element !== undefined) matcher[known] = element
    return element
  })
  if (entries.length === 0) return fault(place, `A list matcher needs one of ${listKeys.join(', ')}.`)
  return entries.every((element) => element !== undefined) ? matcher : undefined
}

function readElement(data: unknown, place: Place, scalars: boolean): string | undefined {
  if (scalars && (typeof data === 'number' || typeof data === 'boolean')) return String(data)
  if (Array.isArray(data)) {
    return fault(place, 'Must be one value, not a list: for several, write one entry for each under `or`.')
  }
  return readString(data, place)
}

/** Compiles a list matcher; `is` holds for exactly one element that is equal. */
export function listTest(matcher: ListMatcher): (elements: readonly string[]) => boolean {
  const { has, is, exclude } = matcher
  return (elements) =>
    (has === undefined || elements.includes(has)) &&
    (is === undefined || (elements.length === 1 && elements[0] === is)) &&
    (exclude === undefined || !elements.includes(exclude))
}

/**
 * Compiles a list matcher for a claim that is one string with commas. Pomerium signs several values of a claim like
 * that, and a single value may hold a comma itself: whether it has an element is doubtful, and doubt never admits.
 */
export function joinedTest(matcher: ListMatcher, place: Place): (text: string) => boolean {
  const { has, is, exclude } = matcher
  const strict = isStrict(place)
  return (text) =>
    (has === undefined || text === has || (!strict && isPart(text, has))) &&
    (is === undefined || text === is) &&
    (exclude === undefined || (text !== exclude && !(strict && isPart(text, exclude))))
}

function isPart(text: string, wanted: string): boolean {
  return text.split(',').includes(wanted)
}
