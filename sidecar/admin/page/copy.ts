// Buttons that copy a text, and say that they did.
import { announce } from './announce.ts'
import { button, say } from './elements.ts'

/** @param what is copied, in words: buttons that look the same are told apart by it. */
export function copyButton(what: string, text: string): HTMLButtonElement {
  const made = button('Copy', () => void copy(), { 'aria-label': `Copy ${what}`, class: 'small' })
  async function copy(): Promise<void> {
    const word = await navigator.clipboard.writeText(text).then(
      () => 'Copied',
      () => 'Not copied',
    )
    say(made, word)
    announce(`${word}: ${what}`)
    setTimeout(() => say(made, 'Copy'), 2_000)
  }
  return made
}
