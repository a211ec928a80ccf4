// The settings of one service, merged from the file, its entry and the overrides, each knowing where it came from.
import { findFaults, salvage } from './check.ts'
import type { Findings } from './findings.ts'
import { resolveFile } from './issuer-table.ts'
import { depthOf, isMap, mergeLayers, overrideLayer } from './layers.ts'
import type { Path, Problem, ProblemSink } from './problem.ts'
import { effectiveSchema, serviceEntries, type EffectiveSettings } from './schema.ts'
import type { FileReference, Override } from './source.ts'
import { storeFiles } from './store-settings.ts'

export interface Settings {
  readonly values: EffectiveSettings
  /** First keys of which a part was left out, since it is faulty. */
  readonly broken: ReadonlySet<string>
  /** Takes paths of `values`, and reports them where they stand in the file. */
  readonly sink: ProblemSink
  files(folder: string): FileReference[]
}

export interface SettingsSource {
  readonly root: Readonly<Record<string, unknown>>
  readonly service: string | undefined
  readonly overrides: readonly Override[]
  readonly findings: Findings
}

/** Faults of the file itself were reported already; those of the overrides are reported here. */
export function readSettings({ root, service, overrides, findings }: SettingsSource): Settings {
  const { routes: _routes, services, ...top } = root
  const entry = service !== undefined && isMap(services) ? services[service] : undefined
  const outside = overrideLayer(overrides)
  reportOverrides(outside, overrides, findings)
  const broken = new Set<string>()
  let merged: unknown = {}
  for (const layer of [top, entry, outside]) {
    const salvaged = salvage(effectiveSchema, isMap(layer) ? layer : {})
    for (const key of salvaged?.broken ?? []) broken.add(key)
    merged = mergeLayers(merged, salvaged?.input)
  }
  const values = salvage(effectiveSchema, merged)?.output ?? defaults()
  const origin = originOf({ top, entry, outside, service, overrides })
  const report = (severity: Problem['severity'], path: Path, message: string): void => {
    const { source, path: place } = origin(path)
    if (source !== undefined) findings.addFromOutside(severity, source, place, message)
    else if (severity === 'error') findings.error(place, message)
    else findings.warn(place, message)
  }
  const sink: ProblemSink = {
    error: (path, message) => report('error', path, message),
    warn: (path, message) => report('warning', path, message),
  }
  return {
    values,
    broken,
    sink,
    files: (folder) =>
      filesOf(values).map(({ path, file }) => ({ path: origin(path).path, file: resolveFile(folder, file) })),
  }
}

function defaults(): EffectiveSettings {
  const salvaged = salvage(effectiveSchema, {})
  if (salvaged === undefined) throw new Error('the schema has a key without a default')
  return salvaged.output
}

function reportOverrides(outside: unknown, overrides: readonly Override[], findings: Findings): void {
  for (const { path, message } of findFaults(effectiveSchema, outside)) {
    const override = overrides.find((each) => each.path.every((step, i) => step === path[i]))
    findings.addFromOutside('error', override?.source ?? 'override', path, message)
  }
}

interface Layers {
  readonly top: unknown
  readonly entry: unknown
  readonly outside: unknown
  readonly service: string | undefined
  readonly overrides: readonly Override[]
}

/** Where a setting comes from: the upmost layer that has most of its path. */
function originOf({
  top,
  entry,
  outside,
  service,
  overrides,
}: Layers): (path: Path) => { path: Path; source?: string } {
  return (path) => {
    const override = overrides.find((each) => each.path.every((step, i) => step === path[i]))
    if (override !== undefined && depthOf(outside, path) > 0) return { path, source: override.source }
    const inEntry = depthOf(entry, path)
    const inTop = depthOf(top, path)
    const isOfService =
      inEntry > 0 ? inEntry >= inTop : inTop === 0 && Object.hasOwn(serviceEntries, path[0] as string)
    return { path: isOfService && service !== undefined ? ['services', service, ...path] : path }
  }
}

/** Files that must exist. The admin token's is not among them: the sidecar writes it. */
function filesOf(values: EffectiveSettings): { path: Path; file: string }[] {
  const { credential, mesh, telemetry } = values
  const candidates: { path: Path; file: string | undefined }[] = [
    ...(values.issuers ?? []).flatMap(({ jwks, ca }, index) => [
      { path: ['issuers', index, 'jwks'], file: jwks.kind === 'file' ? jwks.file : undefined },
      { path: ['issuers', index, 'ca'], file: ca },
    ]),
    { path: ['mesh', 'ca'], file: mesh.ca },
    ...mesh.trust.map(({ ca }, index) => ({ path: ['mesh', 'trust', index, 'ca'], file: ca })),
    ...storeFiles(values.store),
    { path: ['credential', 'certificate'], file: credential.certificate },
    { path: ['credential', 'key'], file: credential.key },
    { path: ['credential', 'token_file'], file: credential.token_file },
    { path: ['telemetry', 'pseudonym_key_file'], file: telemetry.pseudonym_key_file },
  ]
  return candidates.flatMap(({ path, file }) => (file === undefined ? [] : [{ path, file }]))
}
