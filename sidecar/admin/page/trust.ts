// Shows keys, certificates and sessions of all services.
import { byId, element } from './elements.ts'
import { keyLines, type KeyLine } from './key-rows.ts'
import type { ServiceState } from './protocol.ts'
import { replaceIfOther } from './summary.ts'
import { bytes } from './words.ts'

export function showTrust(states: readonly ServiceState[], nowMs: number): void {
  const lines = keyLines(states, nowMs)
  byId('no-keys').hidden = lines.length > 0
  byId('keys').hidden = lines.length === 0
  replaceIfOther(byId('key-rows'), lines.map(keyRow))
  replaceIfOther(byId('session-rows'), states.map(sessionRow))
}

function keyRow({ kind, of, id, state, words, age, services }: KeyLine): HTMLTableRowElement {
  return element(
    'tr',
    {},
    element('th', { scope: 'row' }, of, ' ', element('code', {}, id)),
    element('td', {}, kind),
    element('td', {}, element('span', { class: `until ${state}` }, words), ' ', element('small', {}, age)),
    element('td', {}, services.join(', ')),
  )
}

function sessionRow({ service, sessions }: ServiceState): HTMLTableRowElement {
  return element(
    'tr',
    {},
    element('th', { scope: 'row' }, service),
    element('td', { class: 'number' }, String(sessions.active)),
    element('td', { class: 'number' }, String(sessions.lingering)),
    element('td', { class: 'number' }, bytes(sessions.bytes)),
  )
}
