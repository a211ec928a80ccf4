// One decision in full: the chain that led to it, its steps, its reason, its ids, and what belongs to it.
import { copyButton } from './copy.ts'
import { button, byId, element, fill, say, type Child } from './elements.ts'
import { callsOf, causesOf } from './links.ts'
import { chainOf, fromOf, toOf, type ServiceByAccount } from './people.ts'
import type { DecisionEvent } from './protocol.ts'
import { idOf } from './recent.ts'
import { clock, shellWord } from './words.ts'

export interface DetailOptions {
  readonly services: () => ServiceByAccount
  readonly known: () => readonly DecisionEvent[]
  /** Shows another one. */
  readonly onLead: (decision: DecisionEvent) => void
  readonly onLeave: () => void
}

export class Detail {
  readonly #options: DetailOptions
  readonly #place = byId('detail')
  readonly #title = byId('detail-title')
  #decision: DecisionEvent | undefined
  /** What the parts that change by themselves were made of. */
  #made = ''
  #links = element('div')

  constructor(options: DetailOptions) {
    this.#options = options
    this.#place.parentElement?.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.#decision !== undefined) this.#leave()
    })
  }

  /** And goes there: whoever chose it wants to read it. */
  show(decision: DecisionEvent): void {
    const services = this.#options.services()
    this.#decision = decision
    this.#links = element('div')
    this.#made = ''
    say(this.#title, `${fromOf(decision, services)} → ${toOf(decision)}`)
    fill(
      this.#place,
      button('Back to the list', () => this.#leave(), { class: 'small back' }),
      verdictLine(decision),
      chainList(decision, services),
      element('h3', {}, 'Steps'),
      element('ol', { class: 'steps' }, ...decision.steps.map(stepItem)),
      reasonPart(decision),
      this.#links,
      element('h3', {}, 'Ids'),
      idList(decision),
      factList(decision),
    )
    this.render()
    this.#title.focus()
  }

  /** Calls that a request causes come after it. */
  render(): void {
    const decision = this.#decision
    if (decision === undefined) return
    const services = this.#options.services()
    const causes = causesOf(decision, this.#options.known())
    const calls = callsOf(decision, this.#options.known())
    const made = JSON.stringify([causes.map((each) => each.decision && idOf(each.decision)), calls.map(idOf)])
    if (made === this.#made) return
    this.#made = made
    const lead = (to: DecisionEvent) =>
      element(
        'li',
        {},
        button(leadWords(to, services), () => this.#options.onLead(to), { class: 'lead' }),
      )
    fill(
      this.#links,
      ...section(
        'Caused by',
        causes.map((each) =>
          each.decision === undefined
            ? element('li', {}, `request ${each.requestId}, which is not in the list`)
            : lead(each.decision),
        ),
      ),
      ...section('Calls that it caused', calls.toReversed().map(lead)),
    )
  }

  #leave(): void {
    this.#decision = undefined
    say(this.#title, 'Detail')
    fill(this.#place, element('p', { class: 'quiet' }, 'Choose a decision to see how it came about.'))
    this.#options.onLeave()
  }
}

function section(title: string, items: readonly HTMLLIElement[]): Child[] {
  return items.length === 0 ? [] : [element('h3', {}, title), element('ul', { class: 'leads' }, ...items)]
}

function leadWords(decision: DecisionEvent, services: ServiceByAccount): string {
  const { atMs, method, path, outcome, code } = decision
  const verdict = outcome === 'allowed' ? 'allowed' : `refused: ${code}`
  return `${clock(atMs)} ${fromOf(decision, services)} → ${toOf(decision)} ${method} ${path}, ${verdict}`
}

function verdictLine({ method, host, path, outcome, code, mode }: DecisionEvent): HTMLElement {
  const letThrough = outcome === 'refused' && mode === 'report' ? ', let through (mode report)' : ''
  const verdict = outcome === 'allowed' ? 'allowed' : `refused: ${code}${letThrough}`
  return element(
    'p',
    { class: 'asked-in-full' },
    element('strong', { class: `verdict ${outcome}` }, verdict),
    ' ',
    element('code', {}, `${method} ${host}${path}`),
  )
}

function chainList(decision: DecisionEvent, services: ServiceByAccount): HTMLElement {
  const boxes = chainOf(decision, services).map(({ name, role }) => {
    const isRefusing = role === 'this service' && decision.outcome === 'refused'
    const words = isRefusing ? 'this service: refused' : role
    return element(
      'li',
      { class: isRefusing ? 'refused' : undefined },
      element('span', { class: 'box' }, element('strong', {}, name), element('small', {}, words)),
    )
  })
  return element('ol', { class: 'chain', 'aria-label': 'The chain' }, ...boxes)
}

type Step = DecisionEvent['steps'][number]

const marks: Readonly<Record<Step['result'], string>> = {
  passed: '✓',
  refused: '✗',
  absent: '–',
  not_reached: '·',
}

function stepItem({ name, result, found }: Step): HTMLLIElement {
  return element(
    'li',
    { class: result.replace('_', '-') },
    element('span', { class: 'mark', 'aria-hidden': 'true' }, marks[result]),
    element('span', { class: 'step' }, name.replace('_', ' ')),
    element('span', { class: 'word' }, result === 'absent' ? 'none' : result.replace('_', ' ')),
    element('span', { class: 'note' }, found),
  )
}

function reasonPart({ reason, detail, sources = [] }: DecisionEvent): HTMLElement {
  return facts([
    ['why', reason],
    ['detail', detail],
    ...sources.map((source) => ['the app carried', sourceWords(source)] as const),
  ])
}

type Source = NonNullable<DecisionEvent['sources']>[number]

function sourceWords({ name, says, user, requestId }: Source): string {
  const of = requestId === undefined ? '' : `, of request ${requestId}`
  switch (says) {
    case 'user':
      return `${name}: user ${shellWord(user?.subject ?? '')}${of}`
    case 'own':
      return `${name}: a service account’s own call${of}`
    case 'nobody':
      return `${name}: nobody${of}`
    case 'ended':
      return `${name}: a request that has ended, or never came here`
  }
}

function idList({ requestId, traceId, txn, service }: DecisionEvent): HTMLElement {
  const command = `onbehalf explain ${shellWord(requestId)} --service ${shellWord(service)}`
  const rows = [
    ['request', requestId],
    ['trace', traceId],
    ['txn', txn],
    ['command', command],
  ] as const
  const parts = rows.flatMap(([name, value]) =>
    value === undefined
      ? []
      : [
          element('dt', {}, name),
          element('dd', { class: 'copied' }, element('code', {}, value), copyButton(name, value)),
        ],
  )
  return element('dl', { class: 'facts ids' }, ...parts)
}

function factList(decision: DecisionEvent): HTMLElement {
  const { atMs, direction, service, route, peer, certificate, caller, originalUser } = decision
  return element(
    'details',
    {},
    element('summary', {}, 'All that was recorded'),
    facts([
      ['at', new Date(atMs).toISOString()],
      ['direction', direction],
      ['service', service],
      ['route', route],
      ['peer', peer],
      ['certificate', certificate],
      ['caller', caller && `${caller.kind} ${shellWord(caller.subject)} of ${shellWord(caller.issuer)}`],
      [
        'original user',
        originalUser &&
          `${originalUser.kind} ${shellWord(originalUser.subject)} of ${shellWord(originalUser.issuer)}`,
      ],
      ['mode', decision.mode],
    ]),
  )
}

function facts(rows: readonly (readonly [string, string | undefined])[]): HTMLElement {
  const parts = rows.flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [element('dt', {}, name), element('dd', {}, value)],
  )
  return element('dl', { class: 'facts' }, ...parts)
}
