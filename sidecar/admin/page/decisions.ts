// The list of the last decisions: newest first, filtered, paused, and walked through by keyboard.
import { button, byId, element, fill, say } from './elements.ts'
import { fromOf, toOf, type ServiceByAccount } from './people.ts'
import type { DecisionEvent } from './protocol.ts'
import { idOf, isWanted, maxRecent, withDecision } from './recent.ts'
import { clock, count } from './words.ts'

export interface DecisionsOptions {
  readonly services: () => ServiceByAccount
  readonly onChoose: (decision: DecisionEvent) => void
}

interface Row {
  readonly item: HTMLLIElement
  readonly button: HTMLButtonElement
  from: string
}

export class Decisions {
  readonly #options: DecisionsOptions
  readonly #list = byId('decisions', HTMLOListElement)
  readonly #filter = byId('filter', HTMLInputElement)
  readonly #refusedOnly = byId('refused-only', HTMLInputElement)
  readonly #pause = byId('pause', HTMLButtonElement)
  readonly #rows = new Map<string, Row>()
  #shown: readonly DecisionEvent[] = []
  /** Those that came since the pause; undefined where there is none. */
  #waiting: readonly DecisionEvent[] | undefined
  #chosen: string | undefined
  /** The one row that the tabulator key reaches. */
  #current: string | undefined

  constructor(options: DecisionsOptions) {
    this.#options = options
    this.#filter.addEventListener('input', () => this.render())
    this.#refusedOnly.addEventListener('change', () => this.render())
    this.#pause.addEventListener('click', () => this.#togglePause())
    this.#list.addEventListener('keydown', (event) => this.#walk(event))
  }

  /** Shown or waiting, newest first. */
  get known(): readonly DecisionEvent[] {
    return [...(this.#waiting ?? []), ...this.#shown]
  }

  get isPaused(): boolean {
    return this.#waiting !== undefined
  }

  take(decision: DecisionEvent): void {
    if (this.#waiting === undefined) this.#shown = withDecision(this.#shown, decision)
    else if (!this.#shown.some((each) => idOf(each) === idOf(decision))) {
      this.#waiting = withDecision(this.#waiting, decision)
    }
  }

  choose(decision: DecisionEvent): void {
    this.#chosen = idOf(decision)
    this.#current = this.#chosen
    this.render()
  }

  /** Back to the row that was chosen, or to the list where it is there no more. */
  focus(): void {
    this.#chosen = undefined
    this.render()
    const row = this.#rows.get(this.#current ?? '')
    if (row?.item.isConnected === true) row.button.focus()
    else this.#filter.focus()
  }

  render(): void {
    const services = this.#options.services()
    const wanted = { text: this.#filter.value, refusedOnly: this.#refusedOnly.checked }
    const decisions = this.#shown.filter((each) =>
      isWanted(each, [fromOf(each, services), toOf(each)], wanted),
    )
    const kept = new Set(this.#shown.map(idOf))
    for (const id of this.#rows.keys()) if (!kept.has(id)) this.#rows.delete(id)
    const ids = decisions.map(idOf)
    const rows = decisions.map((decision) => this.#rowOf(decision, services))
    const reached = this.#current !== undefined && ids.includes(this.#current) ? this.#current : ids[0]
    for (const [i, row] of rows.entries()) {
      row.button.tabIndex = ids[i] === reached ? 0 : -1
      if (ids[i] === this.#chosen) row.button.setAttribute('aria-current', 'true')
      else row.button.removeAttribute('aria-current')
    }
    placeIn(
      this.#list,
      rows.map(({ item }) => item),
    )
    say(byId('decisions-state'), this.#stateWords(decisions.length))
    say(this.#pause, this.isPaused ? 'Resume' : 'Pause')
  }

  #stateWords(shown: number): string {
    const all = this.#shown.length
    const waiting = this.#waiting === undefined ? '' : `; paused, ${this.#waiting.length} waiting`
    if (all === 0) return `Nothing was decided since this page was opened${waiting}.`
    const kept = all === maxRecent ? `the last ${maxRecent}` : count(all, 'decision')
    return shown === all ? `${kept}${waiting}` : `${shown} of ${kept}${waiting}`
  }

  #rowOf(decision: DecisionEvent, services: ServiceByAccount): Row {
    const id = idOf(decision)
    const from = fromOf(decision, services)
    const known = this.#rows.get(id)
    if (known !== undefined) {
      if (known.from !== from) fill(known.button, ...rowParts(decision, from))
      known.from = from
      return known
    }
    const choose = button('', () => this.#options.onChoose(decision), { class: 'row' })
    choose.addEventListener('focus', () => {
      this.#current = id
    })
    fill(choose, ...rowParts(decision, from))
    const row = { item: element('li', {}, choose), button: choose, from }
    this.#rows.set(id, row)
    return row
  }

  #togglePause(): void {
    if (this.#waiting === undefined) this.#waiting = []
    else {
      this.#shown = this.#waiting.reduceRight(withDecision, this.#shown)
      this.#waiting = undefined
    }
    this.render()
  }

  #walk(event: KeyboardEvent): void {
    const buttons = [...this.#list.querySelectorAll<HTMLButtonElement>('button')]
    const at = buttons.findIndex((each) => each === document.activeElement)
    const steps: Readonly<Partial<Record<string, number>>> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + 10,
      PageUp: at - 10,
      Home: 0,
      End: buttons.length - 1,
    }
    const to = steps[event.key]
    if (to === undefined || at === -1) return
    event.preventDefault()
    const next = buttons[Math.min(buttons.length - 1, Math.max(0, to))]
    for (const each of buttons) each.tabIndex = each === next ? 0 : -1
    next?.focus()
  }
}

function rowParts(decision: DecisionEvent, from: string): HTMLElement[] {
  const { atMs, method, path, outcome, code, mode, direction } = decision
  const at = element('time', { datetime: new Date(atMs).toISOString() }, clock(atMs))
  const verdict = outcome === 'allowed' ? 'allowed' : mode === 'report' ? 'refused, let through' : 'refused'
  return [
    at,
    element(
      'span',
      { class: 'way' },
      from,
      element('span', { 'aria-hidden': 'true' }, ' → '),
      element('span', { class: 'unseen' }, direction === 'inbound' ? ' to ' : ' calls '),
      toOf(decision),
    ),
    element('span', { class: 'asked' }, `${method} ${path}`),
    element('span', { class: `verdict ${outcome}` }, verdict),
    element('span', { class: 'code' }, code ?? ''),
  ]
}

/** Moves nothing that stays: what is moved loses the focus. */
function placeIn(list: Element, items: readonly Element[]): void {
  const staying = new Set(items)
  for (const each of Array.from(list.children).filter((child) => !staying.has(child))) each.remove()
  let next = list.firstElementChild
  for (const item of items) {
    if (item === next) next = next.nextElementSibling
    else list.insertBefore(item, next)
  }
}
