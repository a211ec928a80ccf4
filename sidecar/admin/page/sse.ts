// Reads server-sent events out of text as it arrives, whatever way it was cut.

export interface ServerEvent {
  readonly name: string
  readonly data: string
}

/** Keeps what has not ended yet. */
export class EventReader {
  #rest = ''
  #name = ''
  #data: string[] = []

  /** The events that this text completes. */
  read(text: string): readonly ServerEvent[] {
    const all = this.#rest + text
    // A carriage return at the very end may be the first half of a line's end.
    const lines = all.split(/\r\n|\n|\r(?!$)/)
    this.#rest = lines.pop() ?? ''
    return lines.flatMap((line) => this.#take(line))
  }

  #take(line: string): ServerEvent[] {
    if (line === '') return this.#end()
    const [, field = '', value = ''] = /^([^:]*)(?:: ?)?(.*)$/s.exec(line) ?? []
    if (field === 'event') this.#name = value
    else if (field === 'data') this.#data.push(value)
    return []
  }

  #end(): ServerEvent[] {
    const event = { name: this.#name === '' ? 'message' : this.#name, data: this.#data.join('\n') }
    const isOne = this.#data.length > 0
    this.#name = ''
    this.#data = []
    return isOne ? [event] : []
  }
}
