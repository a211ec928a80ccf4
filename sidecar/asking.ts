// Makes a decision that may lack something: asks for it, once and for a bounded time, and decides again.
import type { Issuer } from '../shared/config/mesh.ts'
import { Needed, type MissingRule, type Need } from '../shared/needed.ts'
import { within } from './store/deadline.ts'
import { deadlineMs } from './store/store.ts'

/** What came of asking. Where it was found, what is decided on next has it. */
export type Asked = 'found' | 'unknown' | 'unavailable'

/** Whom to ask. None of them fails. */
export interface Sources {
  keys(issuer: Issuer, keyId: string | undefined): Promise<Asked>
  certificate(keyId: string): Promise<Asked>
  /** @param leftMs for so long the store may be asked. */
  session(handle: string, leftMs: number): Promise<Asked>
}

type Subject = Issuer | string

/**
 * Decides, and again each time that something was asked for; at once where nothing has to be. What is asked of the store
 * is asked for no longer than {@link deadlineMs} in all.
 * @param spentMs of that, what was spent before.
 */
export function asking<Answer>(
  sources: Sources,
  decide: (missing: MissingRule) => Answer,
  spentMs = 0,
): Answer | Promise<Answer> {
  const inquiry = new Inquiry(sources, spentMs)
  try {
    return decide(inquiry.missing)
  } catch (error) {
    if (!(error instanceof Needed)) throw error
    return askingFor(error.need, inquiry, decide)
  }
}

async function askingFor<Answer>(
  first: Need,
  inquiry: Inquiry,
  decide: (missing: MissingRule) => Answer,
): Promise<Answer> {
  for (let need = first; ;) {
    await inquiry.ask(need)
    try {
      return decide(inquiry.missing)
    } catch (error) {
      if (!(error instanceof Needed)) throw error
      need = error.need
    }
  }
}

/** What was asked for so far. */
class Inquiry {
  readonly #sources: Sources
  #answers: Map<Subject, Asked> | undefined
  #storeMs: number

  constructor(sources: Sources, spentMs: number) {
    this.#sources = sources
    this.#storeMs = spentMs
  }

  readonly missing: MissingRule = (need) => {
    const known = new Set(subjectsOf(need).map((subject) => this.#answers?.get(subject)))
    if (known.has(undefined))
      return need.kind === 'keys' || this.#storeMs < deadlineMs ? 'ask' : 'unavailable'
    // A session that was found and is here no more was not lost by its app.
    const isGone = need.kind === 'session' && known.has('found')
    return isGone || known.has('unavailable') ? 'unavailable' : 'unknown'
  }

  async ask(need: Need): Promise<void> {
    const answers = (this.#answers ??= new Map())
    const startedMs = performance.now()
    const open = subjectsOf(need).filter((subject) => !answers.has(subject))
    const leftMs = deadlineMs - this.#storeMs
    await Promise.all(
      open.map(async (subject) => answers.set(subject, await ask(this.#sources, need, subject, leftMs))),
    )
    if (need.kind !== 'keys') this.#storeMs += performance.now() - startedMs
  }
}

function subjectsOf(need: Need): readonly Subject[] {
  switch (need.kind) {
    case 'keys':
      return need.issuers
    case 'certificates':
      return need.keyIds
    case 'session':
      return [need.handle]
  }
}

function ask(sources: Sources, need: Need, subject: Subject, leftMs: number): Promise<Asked> {
  if (typeof subject !== 'string') return sources.keys(subject, need.kind === 'keys' ? need.keyId : undefined)
  // A session may need its issuer's keys: it keeps to what is left by itself.
  if (need.kind === 'session') return sources.session(subject, leftMs)
  return within(leftMs, sources.certificate(subject)).catch((): Asked => 'unavailable')
}
