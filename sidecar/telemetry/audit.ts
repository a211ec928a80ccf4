// The audit: a line of JSON for each decision in a stream of its own, which no request ever waits for.
import { close, createWriteStream, open as openFile, type WriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { finished } from 'node:stream/promises'
import type { AuditSettings } from '../../shared/config/mesh.ts'
import type { Decision, RecordedPrincipal } from '../../shared/decision.ts'
import { causesOf } from '../../shared/decision.ts'
import type { Naming } from '../../shared/pseudonyms.ts'
import { asLine, describeError, type Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import { createPatientWrites } from './patient-writes.ts'

export interface Audit {
  /** Never waits, and never throws: what cannot be taken is counted. */
  write(decision: Decision, naming: Naming): void
  /** After the file was moved away. */
  reopen(): void
  /** Resolves when what was taken is written, or cannot be. */
  close(): Promise<void>
}

export const noAudit: Audit = {
  write: () => undefined,
  reopen: () => undefined,
  close: async () => undefined,
}

/** What is taken and not written yet. */
const maxQueuedBytes = 4 * 1024 * 1024
const reopenAfterMs = 5_000
const closeDeadlineMs = 2_000

export interface AuditOptions {
  readonly settings: AuditSettings
  readonly metrics: Metrics
  readonly log: Log
}

/** @throws {Error} the file cannot be written. */
export async function openAudit({ settings, metrics, log }: AuditOptions): Promise<Audit> {
  if (settings.to === 'off') return noAudit
  const dropped = metrics.counter({
    name: 'onbehalf.audit_dropped',
    unit: '{line}',
    help: 'Lines of the audit that were lost, since what takes them is too slow, or fails.',
  })
  if (settings.to === 'file') await requireWritable(settings.file)
  const stream = new AuditStream(settings, () => dropped.add({}), log)
  return {
    write: (decision, naming) => stream.write(asLine(JSON.stringify(auditLine(decision, naming)))),
    reopen: () => stream.reopen(),
    close: () => stream.close(),
  }
}

async function requireWritable(file: string): Promise<void> {
  try {
    await (await open(file, 'a', 0o600)).close()
  } catch (error) {
    throw new Error(`audit.file ${file} cannot be written: ${describeError(error)}`, { cause: error })
  }
}

/** A stream, and how far it came. */
interface Opened {
  readonly stream: WriteStream
  /** Of lines that are written whole. */
  wholeBytes: number
  hasFailed: boolean
}

class AuditStream {
  readonly #settings: Exclude<AuditSettings, { to: 'off' }>
  readonly #onDropped: () => void
  readonly #log: Log
  #opened: Opened | undefined
  #failedAtMs = -Infinity
  /** What failed last left a part of a line, which the next one must not continue. */
  #isTorn = false

  constructor(settings: Exclude<AuditSettings, { to: 'off' }>, onDropped: () => void, log: Log) {
    this.#settings = settings
    this.#onDropped = onDropped
    this.#log = log
    this.#opened = this.#open()
  }

  write(line: string): void {
    if (this.#opened === undefined && performance.now() - this.#failedAtMs > reopenAfterMs) {
      this.#opened = this.#open()
    }
    const opened = this.#opened
    if (opened === undefined || opened.stream.writableLength + line.length > maxQueuedBytes) {
      this.#onDropped()
      return
    }
    const text = this.#isTorn ? `\n${line}` : line
    this.#isTorn = false
    opened.stream.write(text, () => this.#settle(opened, Buffer.byteLength(text)))
  }

  reopen(): void {
    if (this.#settings.to !== 'file') return
    this.#opened?.stream.end()
    this.#opened = this.#open()
  }

  async close(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    this.#failedAtMs = Infinity
    if (opened === undefined) return
    const { stream } = opened
    stream.end()
    const deadline = AbortSignal.timeout(closeDeadlineMs)
    // A standard stream is not closed, so it never says that it is.
    await finished(stream, { signal: deadline }).catch(() => stream.destroy())
  }

  /** Of several lines that were written together some may be there whole, though the last ones failed. */
  #settle(opened: Opened, bytes: number): void {
    opened.hasFailed ||= opened.wholeBytes + bytes > opened.stream.bytesWritten
    if (opened.hasFailed) this.#onDropped()
    else opened.wholeBytes += bytes
  }

  /** Through the thread pool also where it is standard output: a reader that stands still must hold nobody up. */
  #open(): Opened {
    const settings = this.#settings
    const leave = new AbortController()
    const fs = { open: openFile, close, ...createPatientWrites(leave.signal) }
    const stream =
      settings.to === 'file'
        ? createWriteStream(settings.file, { flags: 'a', mode: 0o600, fs })
        : createWriteStream('', { fd: settings.to === 'stdout' ? 1 : 2, autoClose: false, fs })
    const opened: Opened = { stream, wholeBytes: 0, hasFailed: false }
    stream.on('error', (error) => {
      if (this.#opened !== opened) return
      this.#opened = undefined
      this.#failedAtMs = performance.now()
      this.#isTorn = stream.bytesWritten > opened.wholeBytes
      this.#log.write('error', 'the audit cannot be written', { cause: describeError(error) })
    })
    stream.once('close', () => leave.abort())
    return opened
  }
}

/** The shape of a line; {@link auditVersion} changes when a field changes its meaning or goes. */
export function auditLine(decision: Decision, naming: Naming) {
  const { caller, originalUser, sources } = decision
  return {
    version: auditVersion,
    time: new Date(decision.atMs).toISOString(),
    service: decision.service,
    direction: decision.direction,
    outcome: decision.outcome,
    mode: decision.mode,
    code: decision.code,
    reason: decision.reason,
    detail: decision.detail,
    caller: caller && auditPrincipal(caller, naming),
    original_user: originalUser && auditPrincipal(originalUser, naming),
    chain: decision.chain,
    source: decision.source,
    cause: decision.cause,
    caused_by: sources && causesOf(decision)[0],
    route: decision.route,
    method: decision.method,
    host: decision.host,
    path: decision.path,
    peer: decision.peer,
    certificate: decision.certificate,
    txn: decision.txn,
    request_id: decision.requestId,
    trace_id: decision.traceId,
    span_id: decision.spanId,
  }
}

const auditVersion = 1

function auditPrincipal(principal: RecordedPrincipal, naming: Naming) {
  const { kind, issuer } = principal
  const isPseudonym = kind === 'user' && !naming.isPlain
  return { kind, issuer, [isPseudonym ? 'pseudonym' : 'id']: naming.idOf(principal) }
}
