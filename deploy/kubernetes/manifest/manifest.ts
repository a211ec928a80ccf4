// A manifest's text with its pods injected, and the text as it was before: nothing but whole lines is ever added or set aside.
import { isDeepStrictEqual } from 'node:util'
import type { Document } from 'yaml'
import { injectPod, type Injection } from '../injection/inject.ts'
import { applyPatch, beneath, pointer } from '../injection/patch.ts'
import type { Settings } from '../injection/settings.ts'
import { markerPattern, withoutBlocks } from './blocks.ts'
import { applyEdits, editsFor } from './edits.ts'
import { Unreachable } from './places.ts'
import { workloadsIn, type Workload } from './workloads.ts'
import { endsInBlock, parseYaml } from './yaml.ts'

/** What became of one workload. */
export interface Outcome {
  readonly title: string
  readonly injection: Injection
}

export interface InjectedManifest {
  /** As it was given, where something is refused. */
  readonly text: string
  readonly outcomes: readonly Outcome[]
  /** What is wrong with the manifest itself. */
  readonly problems: readonly string[]
}

/** Every workload is injected that does not say otherwise. Never throws. */
export function injectManifest(text: string, settings: Settings): InjectedManifest {
  try {
    return inject(text, settings)
  } catch (error) {
    // An alias that leads nowhere, to itself, or to too much; nesting without an end.
    const [why = ''] = (error as Error).message.split('\n', 1)
    return { text, outcomes: [], problems: [`cannot be read: ${why}`] }
  }
}

function inject(text: string, settings: Settings): InjectedManifest {
  const documents = parseYaml(text)
  const problems = [...documents.flatMap(problemsOf), ...unendedBlock(text)]
  if (problems.length > 0) return { text, outcomes: [], problems }
  const patched = documents.map((document) => patch(text, document, settings))
  const outcomes = patched.flatMap((each) => each.outcomes)
  if (outcomes.some(({ injection }) => injection.kind === 'refused')) return { text, outcomes, problems }
  const edits = patched.flatMap((each) => each.edits)
  if (edits.length > 0 && endsInBlock(text))
    return { text, outcomes, problems: ['cannot be edited as text: end its last line with a line feed'] }
  const injected = applyEdits(text, edits)
  const fault = faultOf(
    injected,
    text,
    patched.map(({ expected }) => expected),
  )
  return fault === undefined ? { text: injected, outcomes, problems } : { text, outcomes, problems: [fault] }
}

/** @throws {Error} a block has no end. */
export const uninjectManifest = withoutBlocks

function problemsOf(document: Document): string[] {
  const errors = document.errors.map(({ message }) => message.split('\n', 1)[0] as string)
  if (errors.length > 0) return errors
  return holdsMarker(document.toJS())
    ? ['a value holds a line that looks like a marker of onbehalf inject']
    : []
}

function unendedBlock(text: string): string[] {
  try {
    withoutBlocks(text)
    return []
  } catch (error) {
    return [(error as Error).message]
  }
}

function holdsMarker(value: unknown): boolean {
  if (typeof value === 'string') return markerPattern.test(value)
  return typeof value === 'object' && value !== null && Object.values(value).some(holdsMarker)
}

function patch(text: string, document: Document, settings: Settings) {
  const object: unknown = document.toJS()
  const outcomes: Outcome[] = []
  const operations = workloadsIn(object).flatMap((workload) => {
    const injection = injectWorkload(text, document, workload, settings)
    outcomes.push({ title: workload.title, injection })
    return injection.kind === 'injected' ? beneath(pointer(...workload.path), injection.operations) : []
  })
  const edits = operations.length === 0 ? [] : editsFor(text, document, operations)
  return { outcomes, edits, expected: applyPatch(object, operations) }
}

/** Whether its place can be edited is asked of each by itself, so that each refusal has its name. */
function injectWorkload(
  text: string,
  document: Document,
  { pod, path, namespace }: Workload,
  settings: Settings,
): Injection {
  if (namespace === 'kube-system') return { kind: 'unchanged', why: 'nothing in kube-system is injected' }
  const injection = injectPod(pod, settings)
  if (injection.kind !== 'injected') return injection
  try {
    editsFor(text, document, beneath(pointer(...path), injection.operations))
    return injection
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    return { kind: 'refused', reasons: [`cannot be edited as text: ${error.message}`] }
  }
}

/** Better no manifest than a wrong one. */
function faultOf(injected: string, text: string, expected: readonly unknown[]): string | undefined {
  const documents = parseYaml(injected)
  const isAsMeant =
    documents.every(({ errors }) => errors.length === 0) &&
    isDeepStrictEqual(
      documents.map((document) => document.toJS() as unknown),
      expected,
    )
  if (!isAsMeant)
    return 'cannot be edited as text: the result would not say what is meant; please report this manifest'
  return withoutBlocks(injected).text === withoutBlocks(text).text
    ? undefined
    : 'cannot be edited as text: the edit could not be taken back'
}
