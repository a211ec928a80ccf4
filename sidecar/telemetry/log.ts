// Writes log lines: JSON for machines, text for people, from the same fields.
import type { LogLevel, Mesh } from '../../shared/config/mesh.ts'
import { Floods, type LogFields } from './floods.ts'

export type { LogFields } from './floods.ts'

export interface Log {
  level: LogLevel
  write(level: LogLevel, message: string, fields?: LogFields): void
}

/** The sidecar's own log, of which others may want each line, and whose floods are held back. */
export interface OwnLog extends Log {
  /** Told of each line that is written from now on. */
  listen(listener: (level: LogLevel, message: string, fields: LogFields, atMs: number) => void): void
  /** Lines that were left out. */
  readonly suppressed: number
  /** Says what was left out in the seconds that are over. To be called now and then. */
  sweep(): void
}

const severity: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 }

export interface LogOutput {
  readonly isTTY?: boolean | undefined
  /** Bytes that wait for their reader, where any can. */
  readonly writableLength?: number | undefined
  write(text: string): unknown
}

export function isLogLevel(text: string): text is LogLevel {
  return Object.hasOwn(severity, text)
}

export function createLog(settings: Mesh['log'], output: LogOutput, now: () => number): OwnLog {
  const json = settings.format === 'json' || (settings.format === 'auto' && output.isTTY !== true)
  const format = json ? jsonLine : textLine
  const floods = new Floods(settings.linesPerSecond)
  let told: Parameters<OwnLog['listen']>[0] | undefined
  const put = (level: LogLevel, message: string, fields: LogFields) => {
    const atMs = now()
    output.write(format(new Date(atMs), level, message, fields))
    told?.(level, message, fields, atMs)
  }
  const sweep = () => {
    for (const { level, fields } of floods.ended(now())) put(level, 'lines left out', fields)
  }
  return {
    level: settings.level,
    write(level, message, fields = {}) {
      if (severity[level] < severity[this.level]) return
      sweep()
      if (floods.admits(level, message, fields, now())) put(level, message, fields)
    },
    listen(listener) {
      told = listener
    },
    get suppressed() {
      return floods.suppressed
    },
    sweep,
  }
}

export function jsonLine(time: Date, level: string, message: string, fields: LogFields): string {
  return asLine(JSON.stringify({ time: time.toISOString(), level, message, ...fields }))
}

export function textLine(time: Date, level: string, message: string, fields: LogFields): string {
  const pairs = Object.entries(fields).filter(([, value]) => value !== undefined)
  const tail = pairs.map(([name, value]) => ` ${name}=${textValue(value)}`).join('')
  return asLine(`${time.toISOString()} ${level.padEnd(5)} ${message}${tail}`)
}

/**
 * Nothing that a reader takes for the end of a line, or a terminal for a command, and nothing that hides or turns the
 * direction of writing, is left as it is. Escapes as JSON does, so that JSON stays the same JSON.
 */
export function asLine(text: string): string {
  return `${text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escapeUnits)}\n`
}

function escapeUnits(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
}

/** JSON for all but plain words, so that no value can forge another field. */
function textValue(value: unknown): string {
  return typeof value === 'string' && /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value)
}

/** Where in our code an error was thrown, innermost first: places and names of functions, nothing that was sent. */
export function describeStack(error: unknown): string | undefined {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return undefined
  const frames = error.stack.split('\n').filter((line) => /^ +at /.test(line))
  return frames.map((frame) => frame.trim()).join(' ')
}

/** What of an error may stand in a log: its words and its code, not its stack, and not what it was about. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const words = error.message.includes(code) ? error.message : `${code} ${error.message}`
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
  return `${words}${cause}`
}
