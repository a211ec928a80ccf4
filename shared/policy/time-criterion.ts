// The criteria about when a request is made: date, day_of_week, time_of_day.
import { fault, inside, isObject, kindOf, unknownName, type Place } from './place.ts'

/** Takes milliseconds since the epoch. */
export type TimeTest = (nowMs: number) => boolean

const dayMs = 86_400_000
const minuteMs = 60_000

const dateForm =
  /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)?)?$/

/** Compiles `date: {after, before}`, either of them or both; the request's time lies strictly between. */
export function compileDate(data: unknown, place: Place): TimeTest | undefined {
  return compileBounds(
    data,
    place,
    [],
    parseDate,
    'an ISO 8601 date such as 2030-01-31 or 2030-01-31T16:20:00Z',
  )
}

/** Milliseconds since the epoch. Without an offset UTC, never this machine's zone. */
function parseDate(text: string): number | undefined {
  const match = dateForm.exec(text)
  if (match === null) return undefined
  const day = text.slice(0, 10)
  // The parser of the platform takes 2030-02-31 for 2030-03-03.
  const dayStartMs = Date.parse(`${day}T00:00:00Z`)
  if (Number.isNaN(dayStartMs) || new Date(dayStartMs).toISOString().slice(0, 10) !== day) return undefined
  const isPlain = match[4] === undefined || match[7] !== undefined
  const instantMs = Date.parse(isPlain ? text : `${text}Z`)
  return Number.isNaN(instantMs) ? undefined : instantMs
}

const timeForms = '"15:04", "15:04:05", "3PM", "3:04 PM"'
const clockForm = /^(\d{1,2}):([0-5]\d)(?::([0-5]\d)(\.\d{1,9})?)?$/
const halfDayForm = /^(\d{1,2})(?::([0-5]\d))? ?([AP])M$/

/** Compiles `time_of_day: {timezone, after, before}`; the time on the clock of that zone lies strictly between. */
export function compileTimeOfDay(data: unknown, place: Place): TimeTest | undefined {
  const test = compileBounds(
    data,
    place,
    ['timezone'],
    parseTimeOfDay,
    `a time such as ${timeForms}, in quotes`,
  )
  if (!isObject(data)) return undefined
  const clock = compileClock(
    data['timezone'],
    Object.hasOwn(data, 'timezone') ? inside(place, 'timezone') : place,
  )
  if (test === undefined || clock === undefined) return undefined
  return (nowMs) => test(clock(nowMs))
}

/** Milliseconds since midnight. */
function parseTimeOfDay(text: string): number | undefined {
  const clock = clockForm.exec(text)
  if (clock !== null) {
    const [, hour, minute, second, fraction] = clock
    if (Number(hour) > 23) return undefined
    return (
      (Number(hour) * 60 + Number(minute)) * minuteMs + (Number(second ?? 0) + Number(fraction ?? 0)) * 1000
    )
  }
  const half = halfDayForm.exec(text)
  if (half === null) return undefined
  const [, hour, minute, letter] = half
  if (Number(hour) < 1 || Number(hour) > 12) return undefined
  return (((Number(hour) % 12) + (letter === 'P' ? 12 : 0)) * 60 + Number(minute ?? 0)) * minuteMs
}

/** The time on the clock of a zone, in milliseconds since its midnight. */
function compileClock(timezone: unknown, place: Place): TimeReader | undefined {
  const example = 'the name of a time zone such as Europe/Berlin or UTC'
  if (timezone === undefined) return fault(place, `Needs timezone, ${example}.`)
  if (typeof timezone !== 'string') return fault(place, `Must be ${example}, not ${kindOf(timezone)}.`)
  const format = zoneFormat(timezone)
  return format === undefined ? fault(place, `Must be ${example}; this one is not known.`) : readClock(format)
}

type TimeReader = (nowMs: number) => number

function zoneFormat(timeZone: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      hour: '2-digit',
      minute: '2-digit',
    })
  } catch {
    return undefined
  }
}

/** Clocks are put forward and back on whole minutes: one reading per minute is enough, and formatting is slow. */
function readClock(format: Intl.DateTimeFormat): TimeReader {
  let readMinute = Number.NaN
  let minuteOfDay = 0
  return (nowMs) => {
    const minute = Math.floor(nowMs / minuteMs)
    if (minute !== readMinute) {
      const [hours, minutes] = format.format(minute * minuteMs).split(':')
      minuteOfDay = Number(hours) * 60 + Number(minutes)
      readMinute = minute
    }
    return minuteOfDay * minuteMs + (nowMs - minute * minuteMs)
  }
}

/** Reads `after` and `before`, of which at least one is needed. */
function compileBounds(
  data: unknown,
  place: Place,
  otherKeys: readonly string[],
  parse: (text: string) => number | undefined,
  form: string,
): TimeTest | undefined {
  if (!isObject(data))
    return fault(place, `Must be an object with after, before or both, not ${kindOf(data)}.`)
  const known = [...otherKeys, 'after', 'before']
  const unknown = Object.keys(data).filter((key) => !known.includes(key))
  for (const key of unknown) fault(inside(place, key), unknownName('key here', key, known))
  if (!Object.hasOwn(data, 'after') && !Object.hasOwn(data, 'before')) {
    return fault(place, 'Needs after, before or both.')
  }
  const readBound = (key: string, unbounded: number) => {
    if (!Object.hasOwn(data, key)) return unbounded
    const value = data[key]
    const bound = typeof value === 'string' ? parse(value) : undefined
    return bound ?? fault(inside(place, key), `Must be ${form}.`)
  }
  const after = readBound('after', -Infinity)
  const before = readBound('before', Infinity)
  if (unknown.length > 0 || after === undefined || before === undefined) return undefined
  if (after < before) return (time) => time > after && time < before
  return fault(
    place,
    'Never holds, since after does not lie before before. For a span over midnight write two entries under `or`: one with after, one with before.',
  )
}

const days = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']

/** Compiles `day_of_week`: `*`, `mon,wed,fri`, `mon-fri`; English names, whole or of three letters. UTC. */
export function compileDayOfWeek(data: unknown, place: Place): TimeTest | undefined {
  const form = 'Must be *, days (mon,wed,fri) or a range of days (mon-fri)'
  if (typeof data !== 'string') return fault(place, `${form}, not ${kindOf(data)}.`)
  if (data === '*') return () => true
  const ranges = data.split(',').map(parseDays)
  if (!ranges.every((range) => range !== undefined)) {
    return fault(place, `${form}, in English, whole or the first three letters.`)
  }
  const included = new Set(ranges.flat())
  // The epoch began on a Thursday.
  return (nowMs) => included.has((Math.floor(nowMs / dayMs) + 4) % 7)
}

function parseDays(text: string): number[] | undefined {
  const bounds = text.split('-').map(parseDay)
  const [first, last = first] = bounds
  if (bounds.length > 2 || first === undefined || last === undefined || first < 0 || last < 0)
    return undefined
  return Array.from({ length: ((last - first + 7) % 7) + 1 }, (_, i) => (first + i) % 7)
}

function parseDay(text: string): number {
  const name = text.trim().toLowerCase()
  return days.findIndex((day) => name === day || name === day.slice(0, 3))
}
