// Makes the mesh, as one service's sidecar sees it, from the text of the mesh file: all of it or none.
import { findFaults, salvage } from './check.ts'
import { readDocument, type MeshDocument, type Position } from './document.ts'
import { collectFindings, type Findings } from './findings.ts'
import { isMap } from './layers.ts'
import { makeMesh } from './make-mesh.ts'
import type { Mesh } from './mesh.ts'
import { describePolicy } from './policy-kind.ts'
import type { Path, Problem } from './problem.ts'
import { routeSchema } from './route-schema.ts'
import type { PlacedRoute } from './route-table.ts'
import { meshFileSchema } from './schema.ts'
import type { FileReference, MeshSource } from './source.ts'
import { didYouMean } from './suggest.ts'
import { reportUnserved } from './unserved.ts'

export interface LoadedMesh {
  /** Only where there is no error. */
  readonly mesh?: Mesh
  /** Errors and warnings, sorted by their place. */
  readonly problems: readonly Problem[]
  /** The services that routes belong to, in the order of the file. */
  readonly services: readonly string[]
  /** Whom each route admits, in a few words, by its name. */
  readonly policyKinds: ReadonlyMap<string, string>
  /** Files that must exist. */
  readonly files: readonly FileReference[]
  /** Where the value at a path of the file stands; for what is missing, its nearest ancestor. */
  readonly locate: (path: Path) => Position
}

/** Never throws: whatever is wrong is a problem. */
export function loadMesh(source: MeshSource): LoadedMesh {
  const document = readDocument(source.text)
  const findings = collectFindings(source.file, document)
  for (const fault of document.faults) findings.add('error', fault.position, fault.path, fault.message)
  const { locate } = document
  if (!isMap(document.value)) {
    if (document.value !== undefined && document.value !== null) reportSchemaFaults(document, findings)
    else if (document.faults.length === 0)
      findings.error([], 'the file is empty; it needs `issuers` and `routes`')
    return { problems: findings.list(), services: [], policyKinds: new Map(), files: [], locate }
  }
  reportSchemaFaults(document, findings)
  const root = document.value
  const roster = readRoster(root['routes'])
  reportServiceEntries(root, roster, findings)
  const service = chooseService(source, roster, findings)
  const { mesh, files } = makeMesh({ source, root, placed: roster.placed, service, findings })
  const problems = findings.list()
  const isSound = mesh !== undefined && problems.every((problem) => problem.severity !== 'error')
  const policyKinds = new Map(roster.placed.map(({ entry }) => [entry.name, describePolicy(entry)]))
  return { ...(isSound ? { mesh } : {}), problems, services: roster.services, policyKinds, files, locate }
}

function reportSchemaFaults(document: MeshDocument, findings: Findings): void {
  for (const { path, message, isKey } of findFaults(meshFileSchema, document.value)) {
    const position = isKey ? document.locateKey(path) : document.locate(path)
    findings.add('error', position, path, message)
  }
}

interface Roster {
  /** Each entry that can be read, if need be without its faulty keys. */
  readonly placed: readonly PlacedRoute[]
  readonly services: readonly string[]
  /** False where an entry is faulty: it could belong to any service. */
  readonly isWhole: boolean
}

function readRoster(given: unknown): Roster {
  const entries: readonly unknown[] = Array.isArray(given) ? given : []
  const placed = entries.flatMap((entry, index) => {
    const salvaged = salvage(routeSchema, entry)
    return salvaged === undefined
      ? []
      : [{ index, entry: salvaged.output, isWhole: salvaged.broken.size === 0 }]
  })
  return {
    placed,
    services: [...new Set(placed.map(({ entry }) => entry.service ?? entry.name))],
    isWhole: placed.length === entries.length && placed.every((each) => each.isWhole),
  }
}

function reportServiceEntries(
  root: Readonly<Record<string, unknown>>,
  roster: Roster,
  findings: Findings,
): void {
  reportUnserved(root, [], findings)
  if (!isMap(root['services'])) return
  for (const [name, entry] of Object.entries(root['services'])) {
    reportUnserved(entry, ['services', name], findings)
    if (!roster.isWhole || roster.services.includes(name)) continue
    findings.error(['services', name], unknownService(name, roster.services))
  }
}

function unknownService(name: string, services: readonly string[]): string {
  const hint = didYouMean(name, services)
  return `no route belongs to a service "${name}"${hint === '' ? `; there are ${services.join(', ')}` : hint}`
}

function chooseService(source: MeshSource, roster: Roster, findings: Findings): string | undefined {
  const { services } = roster
  const named = source.service
  if (named !== undefined) {
    if (services.includes(named)) return named
    if (roster.isWhole && services.length > 0) {
      findings.addFromOutside(
        'error',
        source.serviceSource ?? '--service',
        [],
        unknownService(named, services),
      )
    }
    return undefined
  }
  if (services.length <= 1) return services[0]
  const message = `this file has the services ${services.join(', ')}; say by --service or ONBEHALF_SERVICE which one this sidecar stands beside`
  findings.error(['routes'], message)
  return undefined
}
