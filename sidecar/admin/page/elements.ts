// Makes elements: text only ever goes in as text.
import { plain } from './words.ts'

export type Child = Node | string | undefined

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>

/** @param attributes `true` is an empty one; `false` and undefined are none. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  return filled(document.createElement(name), attributes, children)
}

export function drawing<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  return filled(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children)
}

function filled<E extends Element>(made: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    made.setAttribute(name, value === true ? '' : String(value))
  }
  fill(made, ...children)
  return made
}

/** In the place of what was there. */
export function fill(parent: Element, ...children: readonly Child[]): void {
  const nodes: (Node | string)[] = []
  for (const child of children) {
    if (child !== undefined) nodes.push(typeof child === 'string' ? plain(child) : child)
  }
  parent.replaceChildren(...nodes)
}

/** Only where it changes: what has the focus, or is being selected or read out, stays. */
export function say(parent: Element, text: string): void {
  if (parent.textContent !== plain(text)) fill(parent, text)
}

/** An element that index.html has. */
export function byId(id: string): HTMLElement
export function byId<E extends HTMLElement>(id: string, type: new () => E): E
export function byId(id: string, type: new () => HTMLElement = HTMLElement): HTMLElement {
  const found = document.querySelector(`#${id}`)
  if (found instanceof type) return found
  throw new Error(`the page has no #${id} of that kind`)
}

export function button(text: string, act: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const made = element('button', { type: 'button', ...attributes }, text)
  made.addEventListener('click', act)
  return made
}
