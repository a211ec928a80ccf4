// A manifest's text with its pods injected, and the text as it was before: nothing but whole lines is ever added or set aside.
import { isDeepStrictEqual } from 'node:util'
import { isMap, type Document, type Node, type YAMLError } from 'yaml'
import { faultsOfForm } from '../injection/form.ts'
import { injectPod, isAskedFor, isInjected, type Injection } from '../injection/inject.ts'
import { applyPatch, beneath, pointer } from '../injection/patch.ts'
import type { Settings } from '../injection/settings.ts'
import { markerPattern, UnendedBlock, withoutBlocks } from './blocks.ts'
import { applyEdits, editsFor } from './edits.ts'
import { Unreachable } from './places.ts'
import { strangersIn, workloadsIn, type Workload } from './workloads.ts'
import { endsInBlock, parseYaml } from './yaml.ts'

/** What became of one workload. */
export interface Outcome {
  readonly title: string
  /** Where it begins, counted from 1. */
  readonly line: number
  /** `unknown`: it is of a kind that is not looked into, though it seems to make pods. */
  readonly injection: Injection | { readonly kind: 'unknown' }
}

export interface Problem {
  /** `12:3`, line and column from 1; undefined where it is of no place. */
  readonly place: string | undefined
  readonly what: string
}

export interface InjectedManifest {
  /** As it was given, where something is refused. */
  readonly text: string
  readonly outcomes: readonly Outcome[]
  /** What is wrong with the manifest itself. */
  readonly problems: readonly Problem[]
}

/** Every workload is injected that does not say otherwise. Never throws. */
export function injectManifest(text: string, settings: Settings): InjectedManifest {
  try {
    return inject(text, settings)
  } catch (error) {
    // An alias that leads nowhere, to itself, or to too much; nesting without an end.
    const [why = ''] = (error as Error).message.split('\n', 1)
    return { text, outcomes: [], problems: [{ place: undefined, what: `cannot be read: ${why}` }] }
  }
}

function inject(text: string, settings: Settings): InjectedManifest {
  const documents = parseYaml(text)
  const problems = [...documents.flatMap((document) => problemsOf(text, document)), ...unendedBlock(text)]
  if (problems.length > 0) return { text, outcomes: [], problems }
  const patched = documents.map((document) => patch(text, document, settings))
  const outcomes = patched.flatMap((each) => each.outcomes)
  if (outcomes.some(({ injection }) => injection.kind === 'refused')) return { text, outcomes, problems }
  const edits = patched.flatMap((each) => each.edits)
  if (edits.length > 0 && endsInBlock(text))
    return {
      text,
      outcomes,
      problems: [{ place: undefined, what: 'cannot be edited as text: end its last line with a line feed' }],
    }
  const injected = applyEdits(text, edits)
  const fault = faultOf(
    injected,
    text,
    patched.map(({ expected }) => expected),
  )
  return fault === undefined
    ? { text: injected, outcomes, problems }
    : { text, outcomes, problems: [{ place: undefined, what: fault }] }
}

/** @throws {UnendedBlock} */
export const uninjectManifest = withoutBlocks

/** Workloads that have a sidecar, by their titles: what another program wrote anew has no blocks any more. Never throws. */
export function injectedIn(text: string): readonly string[] {
  try {
    const workloads = parseYaml(text).flatMap((document) => workloadsIn(document.toJS()))
    return workloads
      .filter(({ pod }) => faultsOfForm(pod).length === 0 && isInjected(pod))
      .map(({ title }) => title)
  } catch {
    return []
  }
}

/** Of faults in YAML the first alone: the others follow from it. */
function problemsOf(text: string, document: Document): Problem[] {
  const [error] = document.errors
  if (error !== undefined) return [problemIn(text, error)]
  const { contents } = document
  if (contents !== null && !isMap(contents) && document.toJS() !== null)
    return [
      { place: placeAt(text, contents.range?.[0]), what: 'is no Kubernetes object, which is a mapping' },
    ]
  return holdsMarker(document.toJS())
    ? [{ place: undefined, what: 'a value holds a line that looks like a marker of onbehalf inject' }]
    : []
}

function problemIn(text: string, { message, pos: [offset] }: YAMLError): Problem {
  const what = message.split(/ at line \d+, column \d+:?\n|\n/, 1)[0] as string
  const line = text.split('\n')[lineAt(text, offset) - 1]
  const hint = line?.includes('{{') === true ? '; a template is rendered first (helm template)' : ''
  return { place: placeAt(text, offset), what: what + hint }
}

function unendedBlock(text: string): Problem[] {
  try {
    withoutBlocks(text)
    return []
  } catch (error) {
    if (!(error instanceof UnendedBlock)) throw error
    return [{ place: String(error.line), what: error.message }]
  }
}

function lineAt(text: string, offset = 0): number {
  return text.slice(0, offset).split('\n').length
}

function placeAt(text: string, offset = 0): string {
  return `${lineAt(text, offset)}:${offset - text.lastIndexOf('\n', offset - 1)}`
}

function holdsMarker(value: unknown): boolean {
  if (typeof value === 'string') return markerPattern.test(value)
  return typeof value === 'object' && value !== null && Object.values(value).some(holdsMarker)
}

function patch(text: string, document: Document, settings: Settings) {
  const object: unknown = document.toJS()
  const outcomes: Outcome[] = []
  const tell = (
    { title, object: place }: Pick<Workload, 'title' | 'object'>,
    injection: Outcome['injection'],
  ) => {
    const at = document.getIn(place, true) as Node | undefined
    outcomes.push({ title, line: lineAt(text, at?.range?.[0]), injection })
  }
  for (const stranger of strangersIn(object)) tell(stranger, { kind: 'unknown' })
  const operations = workloadsIn(object).flatMap((workload) => {
    const injection = injectWorkload(text, document, workload, settings)
    tell(workload, injection)
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
  const injection = injectPod(pod, settings, isAskedFor(pod))
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
