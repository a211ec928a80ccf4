// The app in a process of its own, beside an agent, and beside the preload where that is wanted.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { environment, kill, within } from '../clients/child.ts'
import type { Agent } from './agents.ts'
import type { ServerName } from './cells.ts'

export interface AppProcess {
  readonly ports: Readonly<Record<ServerName, number>>
}

export type Preload = 'first' | 'last'

export interface AppOptions {
  readonly agent: Agent
  /** Whether before the agent, or after it; undefined: not at all. */
  readonly preload: Preload | undefined
  /** Where the app calls the API. */
  readonly apiUrl: string
  /** Where it calls it over gRPC: `host:port`. */
  readonly apiGrpc: string
}

const appsFolder = join(import.meta.dirname, '../apps')
const preloadFile = join(import.meta.dirname, '../../dist/preload.cjs')

export async function startAppProcess(t: TestContext, options: AppOptions): Promise<AppProcess> {
  const { agent, preload, apiUrl, apiGrpc } = options
  const args = ['agents/app.js']
  if (preload === 'last') args.unshift('--require', preloadFile)
  args.unshift(...agent.args)
  if (preload === 'first') args.unshift('--require', preloadFile)
  const env = environment({
    ...agent.env,
    ...(await undiciFolders(t)),
    API_URL: apiUrl,
    API_GRPC: apiGrpc,
    NODE_NO_WARNINGS: '1',
  })
  const child = spawn(process.execPath, args, {
    cwd: appsFolder,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => kill(child))
  const lines = createInterface({ input: child.stdout })
  const ended = once(child, 'exit').then(([status]) => {
    throw new Error(`the app beside ${agent.name} ended with ${status}`)
  })
  const [line] = await within(Promise.race([once(lines, 'line'), ended]), `the app beside ${agent.name}`)
  ended.catch(() => undefined)
  return { ports: JSON.parse(String(line)) as AppProcess['ports'] }
}

/** undici's versions, each in a folder of its own name: agents tell a package by its folder's name. */
async function undiciFolders(t: TestContext): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-undici-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const folders: Record<string, string> = {}
  for (const version of [6, 7, 8]) {
    const of = join(folder, String(version))
    await cp(join(appsFolder, `node_modules/undici${version}`), join(of, 'node_modules/undici'), {
      recursive: true,
    })
    folders[`UNDICI_${version}`] = `${of}/`
  }
  return folders
}
