// What a container runtime does, without one: a process in the file system of an image, read-only, as the image's user.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { send } from '../support/client.ts'
import type { BuiltImage } from './ground.ts'

export interface Run {
  readonly process: ChildProcess
  readonly root: string
  readonly status: Promise<number | null>
  output(): string
  ready(port: number): Promise<void>
}

/** In a mount namespace: what a runtime adds to a file system that it makes read-only. */
export function mounts(root: string): string[] {
  return [
    `mkdir -p ${root}/proc ${root}/dev`,
    `touch ${root}/dev/null`,
    `mount --bind ${root} ${root}`,
    `mount -o remount,bind,ro ${root}`,
    `mount -t proc proc ${root}/proc`,
    `mount --bind /dev/null ${root}/dev/null`,
  ]
}

/** As a runtime does: its file system, read-only, with /proc, /dev/null, the mesh file and one folder to write to. */
export async function start(
  t: TestContext,
  { root, config }: BuiltImage,
  files: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const top = await mkdtemp(join(tmpdir(), 'onbehalf-run-'))
  t.after(() => rm(top, { recursive: true, force: true }))
  const own = join(top, 'own')
  await Promise.all(
    ['mesh', 'preload', 'run'].map((name) => mkdir(join(own, name), { recursive: true, mode: 0o777 })),
  )
  for (const [name, text] of Object.entries(files)) await writeFile(join(own, 'mesh', name), text)
  const script = [
    `mkdir -p ${root}/own`,
    ...mounts(root),
    `mount --bind ${own} ${root}/own && chmod 777 ${own}/preload ${own}/run`,
    `exec chroot --userspec=${config.config.User} ${root} "$@"`,
  ].join(' && ')
  const program = [...config.config.Entrypoint, ...config.config.Cmd]
  const child = spawn('unshare', ['--mount', 'sh', '-c', script, 'sh', ...program], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: '/usr/bin:/bin:/usr/sbin:/sbin',
      ONBEHALF_CONFIG: '/own/mesh/mesh.yaml',
      ONBEHALF_SERVICE: 'App',
      ONBEHALF_PRELOAD_DIR: '/own/preload',
      XDG_RUNTIME_DIR: '/own/run',
      ...env,
    },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const status = once(child, 'exit').then(([code]) => code as number | null)
  t.after(async () => {
    child.kill('SIGKILL')
    await status
  })
  return {
    process: child,
    root: own,
    status,
    output: () => output,
    async ready(port) {
      for (let tries = 0; tries < 400; tries++) {
        assert.equal(child.exitCode, null, output)
        const answer = await send({ port, target: '/ready', headers: [] }).catch(() => undefined)
        if (answer?.status === 200) return
        await pause(25)
      }
      assert.fail(`not ready within 10 s:\n${output}`)
    },
  }
}
