// `onbehalf check`: asks everything that the sidecar of a service will need, and says what is wrong with it.
import { setTimeout as pause } from 'node:timers/promises'
import type { Issuer, Mesh } from '../../shared/config/mesh.ts'
import { formatProblem } from '../../shared/config/problem.ts'
import { readMaterial, readTrustMaterial, type Material } from '../material.ts'
import { describeMeshOptions, readMesh, type MeshAnswer } from '../mesh-file.ts'
import { openStore } from '../store/open-store.ts'
import { checkAround } from './check-around.ts'
import { checkIssuer } from './check-issuers.ts'
import { checkApps, checkCertificate, checkFaults } from './check-local.ts'
import { checkRedis } from './check-redis.ts'
import type { Log } from '../telemetry/log.ts'
import { checkContents } from './check-store-contents.ts'
import { formatRows, rowsFor, type Row } from './check-row.ts'
import { exitStatus, type Io } from './io.ts'
import { readReportOptions } from './report-options.ts'
import { paintFor, Progress } from './terminal.ts'
import { count } from './token-words.ts'

/** What the store would log, its own rows say. */
const silentLog: Log = { level: 'error', write: () => undefined }

const usage = `Usage: onbehalf check [--config FILE] [--service NAME] [--wait SECONDS] [-o json]

Asks everything that the sidecar of a service needs, live, and says what is wrong and what to do about it: the mesh
file, the account's certificate, each issuer's keys and clock, the store (can it be reached, is it the right one,
does its ACL let this user do what it needs, can it lose revocations), the app, and whether the app can be reached
around the sidecar. Run it where the sidecar runs.
Nothing that it does stays: in Redis it writes a few names of its own that live for a second.

Examples:
  onbehalf check --config mesh.yaml --service App
  onbehalf check --config mesh.yaml --service App --wait 60

Options (and the variables that stand for them):
${describeMeshOptions()}  --wait SECONDS      Ask again each second while something fails, for so long.
  -o, --output json   JSON alone on standard output.
  -h, --help          This text.

Exit status: 0 all is well, warnings included; 1 something fails; 2 wrong use, or a mesh file that cannot be used.
`

/** @returns 0 where nothing fails, 1 where something does, 2 for wrong use and a wrong mesh file. */
export async function check(args: string[], io: Io): Promise<number> {
  const options = readReportOptions(args, { wait: { type: 'string' } })
  if (typeof options === 'string') {
    io.stderr.write(`onbehalf check: ${options}\nSee onbehalf check --help.\n`)
    return exitStatus.wrong
  }
  if (options.help === true) {
    io.stdout.write(usage)
    return exitStatus.done
  }
  const { help: _help, output, wait = '0', ...flags } = options
  if (!/^\d{1,5}$/.test(wait)) {
    io.stderr.write('onbehalf check: --wait: must be whole seconds\nSee onbehalf check --help.\n')
    return exitStatus.wrong
  }
  // Files that cannot be used are rows like all else that is wrong.
  const answer = await readMesh({ flags, env: io.env, cwd: io.cwd, files: 'trust' })
  const { mesh, problems } = answer
  if (mesh === undefined) {
    for (const problem of problems) io.stderr.write(`${formatProblem(problem)}\n`)
    return exitStatus.wrong
  }
  const progress = new Progress(io.stderr)
  const live = await checkUntil(mesh, Number(wait) * 1000, progress).finally(() => progress.end())
  const rows = [...checkFile(answer, mesh), ...live]
  const isWell = isAllWell(rows)
  io.stdout.write(
    output === 'json'
      ? `${JSON.stringify({ service: mesh.service, well: isWell, rows }, null, 2)}\n`
      : formatRows(rows, paintFor(io.stdout, io)),
  )
  return isWell ? exitStatus.done : exitStatus.no
}

function isAllWell(rows: readonly Row[]): boolean {
  return rows.every(({ status }) => status !== 'fail')
}

const askAgainMs = 1_000

/** Until nothing fails, or the time is over. */
async function checkUntil(mesh: Mesh, waitMs: number, progress: Progress): Promise<Row[]> {
  const deadline = performance.now() + waitMs
  for (;;) {
    const rows = await checkLive(mesh, Date.now, progress)
    if (isAllWell(rows) || performance.now() + askAgainMs > deadline) return rows
    await progress.during('what fails, again', pause(askAgainMs))
  }
}

function checkFile({ source, problems }: MeshAnswer, mesh: Mesh): Row[] {
  const rows = rowsFor('mesh file')
  return [
    rows.ok(`${source.file}: service ${mesh.service}, ${count(mesh.routes.length, 'route')}`),
    ...problems.map((problem) => rows.warn(formatProblem(problem))),
  ]
}

async function checkLive(mesh: Mesh, now: () => number, progress: Progress): Promise<Row[]> {
  const { material, faults } = await readMaterial(mesh, now)
  const cas = (await readTrustMaterial(mesh)).material?.caByIssuer
  const ask = (issuer: Issuer) =>
    progress.during(`issuer ${issuer.name}`, checkIssuer(issuer, cas?.get(issuer.name), now))
  const [issuers, store, apps, around] = await Promise.all([
    Promise.all(mesh.issuers.map(ask)),
    progress.during('store', checkStore(mesh, material, now)),
    progress.during('app', checkApps(mesh)),
    progress.during('around', checkAround(mesh)),
  ])
  return [
    ...(material === undefined
      ? checkFaults(mesh, faults)
      : [checkCertificate(material.credential.minter, now())]),
    ...issuers.flat(),
    ...store,
    ...apps,
    ...around,
  ]
}

async function checkStore(mesh: Mesh, material: Material | undefined, now: () => number): Promise<Row[]> {
  const settings = mesh.store
  if (settings.kind === 'memory') {
    return [rowsFor('store').info('memory: nothing is shared with other sidecars, revocations included')]
  }
  // First what is there: what the other checks try makes running sidecars put theirs there again.
  const contents = material === undefined ? [] : await readContents(mesh, material, now)
  return [...(await checkRedis(settings)), ...contents]
}

/** None where the store is not reached: why, other rows say. */
async function readContents(mesh: Mesh, material: Material, now: () => number): Promise<Row[]> {
  const store = await openStore(mesh.store, { now, log: silentLog })
  try {
    return store.isUp ? await checkContents(mesh, material, store, now) : []
  } finally {
    await store.close()
  }
}
