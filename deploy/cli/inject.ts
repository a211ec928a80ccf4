// `onbehalf inject`: sidecars into manifests, as edits of their text.
import { exitStatus, type Io } from '../../sidecar/cli/io.ts'
import { readOptions } from '../../sidecar/cli/options.ts'
import type { Settings } from '../kubernetes/injection/settings.ts'
import { injectManifest, type InjectedManifest, type Outcome } from '../kubernetes/manifest/manifest.ts'
import { describeInjectionOptions, injectionOptions, settingsOf } from './injection-options.ts'
import { joinManifests, namesOf, readManifests, type Manifest } from './manifest-files.ts'

const usage = `Usage: onbehalf inject -f FILE [-f FILE]… [options]

Puts a sidecar beside every pod of a manifest: Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob, Pod, and
those in a List. The result comes on standard output. Only whole lines are added, or set aside as comments; every other
byte stays, and onbehalf uninject gives the manifest back as it was. The annotations onbehalf.dev/… of a pod say more,
and onbehalf.dev/inject: "false" leaves one out.

Examples:
  onbehalf inject -f shop.yaml | kubectl apply -f -
  kubectl kustomize overlays/production | onbehalf inject -f - --certificate-source spiffe

Options:
  -f, --filename FILE A manifest in YAML; - is standard input.
${describeInjectionOptions}  --dry-run           Say what would become of each workload; print no manifest.
  -h, --help          This text.

Exit status: 0 done, 1 a pod cannot be injected (then nothing is printed), 2 wrong use.
`

const options = {
  ...injectionOptions,
  filename: { type: 'string', short: 'f', multiple: true, default: [] as string[] },
  'dry-run': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

export async function inject(args: string[], io: Io): Promise<number> {
  let asked: { isDry: boolean; settings: Settings; manifests: readonly Manifest[] }
  try {
    const { values, positionals } = readOptions(args, options, true)
    const { help, 'dry-run': isDry, filename, ...given } = values
    if (help) {
      io.stdout.write(usage)
      return exitStatus.done
    }
    const names = namesOf(filename, positionals)
    asked = { isDry, settings: settingsOf(given), manifests: await readManifests(names, io.cwd) }
  } catch (error) {
    io.stderr.write(`onbehalf inject: ${(error as Error).message}\nSee onbehalf inject --help.\n`)
    return exitStatus.wrong
  }
  const results = asked.manifests.map(({ name, text }) => ({
    name,
    result: injectManifest(text, asked.settings),
  }))
  for (const { name, result } of results) report(name, result, asked.isDry, io)
  if (results.some(({ result }) => isRefused(result))) return exitStatus.no
  if (!asked.isDry) io.stdout.write(joinManifests(results.map(({ result }) => result.text)))
  return exitStatus.done
}

function isRefused({ problems, outcomes }: InjectedManifest): boolean {
  return problems.length > 0 || outcomes.some(({ injection }) => injection.kind === 'refused')
}

function report(name: string, { problems, outcomes }: InjectedManifest, isDry: boolean, io: Io): void {
  for (const { place, what } of problems)
    io.stderr.write(`${name}${place === undefined ? '' : `:${place}`}: ${what}\n`)
  for (const { title, line, injection } of outcomes)
    for (const words of linesOf(injection, isDry)) io.stderr.write(`${name}:${line}: ${title}: ${words}\n`)
  if (isDry && problems.length === 0 && outcomes.length === 0)
    io.stderr.write(`${name}: holds no workload, so nothing would be injected\n`)
}

function linesOf(injection: Outcome['injection'], isDry: boolean): readonly string[] {
  switch (injection.kind) {
    case 'refused':
      return injection.reasons
    case 'unknown':
      return ['warning: stays as it is, without a sidecar: of this kind the webhook alone sees the pods']
    case 'unchanged':
      return isDry ? [`stays as it is: ${injection.why}`] : []
    case 'injected': {
      const warnings = injection.warnings.map((warning) => `warning: ${warning}`)
      return isDry ? ['would be injected', ...warnings] : warnings
    }
  }
}
