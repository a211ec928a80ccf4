// The head of the page: which services, whether they are ready, and what whoever runs them should know.
import { byId, element, fill, say } from './elements.ts'
import type { Mesh } from './mesh.ts'
import type { ServiceState } from './protocol.ts'
import { clock, count, span } from './words.ts'

export function showSummary(mesh: Mesh, nowMs: number): void {
  const { states } = mesh
  const [only] = states
  const name = states.length === 1 && only !== undefined ? only.service : count(states.length, 'service')
  if (states.length > 0) {
    say(byId('name'), name)
    document.title = `${name} · Onbehalf`
  }
  replaceIfOther(
    byId('services'),
    states.map((state) => serviceLine(state, mesh.silence(state.service, nowMs), nowMs)),
  )
  replaceIfOther(
    byId('warnings'),
    states.flatMap((state) => warningsOf(state).map((text) => element('li', {}, text))),
  )
}

export function showConnection(text: string, isConnected: boolean): void {
  const place = byId('connection')
  place.classList.toggle('bad', !isConnected)
  say(place, text)
}

function serviceLine(state: ServiceState, silentMs: number | undefined, nowMs: number): HTMLLIElement {
  const { service, version, notReady, startedAtMs } = state
  const isGood = notReady.length === 0 && silentMs === undefined
  const words = notReady.length === 0 ? 'ready' : `not ready: ${notReady.join('; ')}`
  const heard = silentMs === undefined ? words : `nothing heard for ${span(silentMs)}`
  const more = `${version}, up ${span(nowMs - startedAtMs)}`
  const said = element('span', { class: isGood ? 'good' : 'bad' }, heard)
  return element('li', {}, element('strong', {}, service), ' ', said, ' ', element('small', {}, more))
}

function warningsOf({ service, mode, configuration, waitingFor, notReady }: ServiceState): string[] {
  const { file, loadedAtMs, problems } = configuration
  const unheard = waitingFor.filter((issuer) => !notReady.some((reason) => reason.includes(issuer)))
  return [
    ...(mode === 'report'
      ? [`${service} is in mode report: what it refuses is let through, without any unverified identity.`]
      : []),
    ...problems.map(
      (problem) =>
        `${service}: ${file} as it is on disk is not in effect: ${problem}. The last good one, of ${clock(loadedAtMs)}, is.`,
    ),
    ...unheard.map((issuer) => `${service}: the keys of ${issuer} were never loaded.`),
  ]
}

/** What is read out, or being selected, stays as long as it says the same. */
export function replaceIfOther(parent: Element, children: readonly Element[]): void {
  if (markupOf(parent.children) !== markupOf(children)) fill(parent, ...children)
}

function markupOf(elements: Iterable<Element>): string {
  return JSON.stringify(Array.from(elements, (each) => each.outerHTML))
}
