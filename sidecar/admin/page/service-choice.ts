// A field to choose a service by; hidden where there is one alone.
import { byId, element, fill } from './elements.ts'
import type { ServiceState } from './protocol.ts'

export function offerServices(id: string, states: readonly ServiceState[]): void {
  const select = byId(id, HTMLSelectElement)
  const names = states.map(({ service }) => service)
  const offered = Array.from(select.options, ({ value }) => value)
  const field = select.closest('label')
  if (field !== null) field.hidden = names.length < 2
  if (JSON.stringify(names) === JSON.stringify(offered)) return
  const { value } = select
  fill(select, ...names.map((name) => element('option', { value: name, selected: name === value }, name)))
}

export function chosenService(id: string): string {
  return byId(id, HTMLSelectElement).value
}
