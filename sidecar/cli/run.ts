// `onbehalf run`: a sidecar in the foreground, until a signal ends it.
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { formatProblem } from '../../shared/config/problem.ts'
import { ConfigurationFault, type MeshReading } from '../configuration.ts'
import { describeMeshOptions, meshOptions, readMesh, type MeshQuestion } from '../mesh-file.ts'
import { startSidecar, type Sidecar } from '../sidecar.ts'
import { exitStatus, type Io } from './io.ts'
import { readOptions } from './options.ts'
import { copyPreload } from './preload-copy.ts'

const help = `Usage: onbehalf run [--config FILE] [--service NAME] [options]

Runs the sidecar of one service in the foreground.

Options (and the variables that stand for them):
${describeMeshOptions()}  -h, --help          This text.

SIGHUP reloads the mesh file; SIGTERM and SIGINT drain and stop, a second SIGINT stops at once.

Example: onbehalf run --config mesh.yaml --service App

Exit status: 0 stopped as it was told to, 2 wrong use or configuration, or an address that cannot be bound.
`

export async function run(args: string[], io: Io): Promise<number> {
  const flags = readFlags(args, io)
  if (flags === undefined) return exitStatus.wrong
  if (flags['help'] === true) {
    io.stdout.write(help)
    return exitStatus.done
  }
  // Half of them look names up, each for as long as a name server is silent. Read by libuv when the first of them is needed.
  process.env['UV_THREADPOOL_SIZE'] ??= '16'
  const stop = new AbortController()
  const onStop = () => stop.abort()
  let sidecar: Sidecar | undefined
  // Before anything can be seen of the sidecar: without a handler SIGHUP would end the process.
  const onHangup = () => void sidecar?.reload('SIGHUP')
  process.on('SIGHUP', onHangup)
  // Of itself Node would open its debugger then, to whoever is on loopback: in a pod, to every container.
  process.on('SIGUSR1', ignore)
  process.on('SIGTERM', onStop)
  // A second Ctrl-C ends it at once; a supervisor that repeats SIGTERM does not.
  const onSecondInterrupt = () => {
    sidecar?.adminToken.remove()
    process.kill(process.pid, 'SIGINT')
  }
  const onInterrupt = () => {
    process.once('SIGINT', onSecondInterrupt)
    onStop()
  }
  process.once('SIGINT', onInterrupt)
  try {
    await copyPreload(io)
    sidecar = await startSidecar({
      read: () => read(flags, io),
      now: Date.now,
      output: io.stderr,
      env: io.env,
      onShutdown: onStop,
      stop: stop.signal,
    })
    await sayWhereAdminIs(sidecar, io)
    if (!stop.signal.aborted) await once(stop.signal, 'abort')
    await sidecar.stop()
    return exitStatus.done
  } catch (error) {
    if (error === stop.signal.reason) return exitStatus.done
    if (!(error instanceof ConfigurationFault)) throw error
    for (const line of error.lines) io.stderr.write(`${line}\n`)
    return exitStatus.wrong
  } finally {
    process.off('SIGHUP', onHangup)
    process.off('SIGUSR1', ignore)
    process.off('SIGTERM', onStop)
    process.off('SIGINT', onInterrupt)
    process.off('SIGINT', onSecondInterrupt)
  }
}

function ignore(): void {}

type Flags = MeshQuestion['flags']

function readFlags(args: string[], io: Io): Flags | undefined {
  try {
    const options = { ...meshOptions, help: { type: 'boolean', short: 'h' } } as const
    return readOptions(args, options, false).values
  } catch (error) {
    io.stderr.write(`onbehalf run: ${(error as Error).message}\nSee onbehalf run --help.\n`)
    return undefined
  }
}

async function read(flags: Flags, io: Io): Promise<MeshReading> {
  const { mesh, material, problems, source } = await readMesh({ flags, env: io.env, cwd: io.cwd })
  const lines = (severity: 'error' | 'warning') =>
    problems.filter((problem) => problem.severity === severity).map(formatProblem)
  return {
    mesh,
    material,
    file: source.file,
    endsInNewline: source.text.endsWith('\n'),
    errors: lines('error'),
    warnings: lines('warning'),
  }
}

/** With the token behind `#`, which no browser sends; on a terminal alone, for logs are read by others. */
async function sayWhereAdminIs(sidecar: Sidecar, io: Io): Promise<void> {
  const admin = sidecar.addresses.admin[0]
  if (io.stderr.isTTY !== true || admin === undefined) return
  const token = (await readFile(sidecar.adminToken.file, 'utf8')).trim()
  const host = admin.family === 'IPv6' ? `[${admin.address}]` : admin.address
  io.stderr.write(`inspector: http://${host}:${admin.port}/#token=${encodeURIComponent(token)}\n`)
}
