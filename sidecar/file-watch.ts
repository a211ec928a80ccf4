// Watches files by asking for their state: it works for writes in place, renames and Kubernetes' symlink swaps alike.
import { stat } from 'node:fs/promises'

const intervalMs = 250
/** The clock of a file system may be behind the system's by a tick. */
const fileClockSlackMs = 20

/** Calls back when any of the files has changed and then stayed the same for one interval. */
export class FileWatch {
  readonly #files: () => readonly string[]
  readonly #onChange: () => Promise<void>
  #timer: NodeJS.Timeout | undefined
  #seen = ''
  #changing = false
  #closed = false

  constructor(files: () => readonly string[], onChange: () => Promise<void>) {
    this.#files = files
    this.#onChange = onChange
  }

  /** @param sinceMs when what is in effect began to be read: a file that changed after that counts as changed. */
  async start(sinceMs = Infinity): Promise<void> {
    this.#seen = await this.state()
    this.#changing = (await Promise.all(this.#files().map(changedAtMs))).some(
      (changedMs) => changedMs >= sinceMs - fileClockSlackMs,
    )
    this.#schedule()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  /** Of all the files: another one whenever one of them has changed. */
  async state(): Promise<string> {
    return (await Promise.all(this.#files().map(stateOf))).join('\n')
  }

  #schedule(): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => void this.#look(), intervalMs)
    this.#timer.unref()
  }

  async #look(): Promise<void> {
    const state = await this.state()
    const changed = state !== this.#seen
    this.#seen = state
    // A file that is still being written must not be read: half of a mesh file can be a valid one.
    if (this.#changing && !changed) await this.#onChange()
    this.#changing = changed
    this.#schedule()
  }
}

async function changedAtMs(file: string): Promise<number> {
  try {
    return (await stat(file)).mtimeMs
  } catch {
    return -Infinity
  }
}

async function stateOf(file: string): Promise<string> {
  try {
    const { mtimeNs, size, ino } = await stat(file, { bigint: true })
    return `${file} ${mtimeNs} ${size} ${ino}`
  } catch (error) {
    return `${file} ${(error as NodeJS.ErrnoException).code}`
  }
}
