// Under which conditions was measured: versions, machine, method.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { connections } from './load.ts'
import type { Options } from './options.ts'
import { userCount } from './users.ts'

/** The first version number that a command tells of itself; undefined where it is not installed. */
export function versionOf(command: string, flag: string): string | undefined {
  const { error, stdout, stderr } = spawnSync(command, [flag], { encoding: 'utf8' })
  if (error !== undefined) return undefined
  return /\d+(?:\.\d+)+\S*/.exec(stdout + stderr)?.[0] ?? 'unknown'
}

export type Conditions = ReturnType<typeof conditionsOf>

export function conditionsOf(options: Options) {
  return {
    ...lengthsOf(options),
    connections,
    users: userCount,
    cpu_model: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    kernel: release(),
    versions: {
      onbehalf: onbehalfVersion(),
      node: process.versions.node,
      openssl_of_node: process.versions.openssl,
      nginx: versionOf('nginx', '-v') ?? null,
      haproxy: versionOf('haproxy', '-v') ?? null,
      wrk: versionOf('wrk', '-v') ?? null,
      redis: versionOf('redis-server', '--version') ?? null,
    },
  }
}

export type Lengths = ReturnType<typeof lengthsOf>

/** What can differ from one scenario to the other, where they were measured one by one. */
export function lengthsOf(options: Options) {
  return {
    date: new Date().toISOString().slice(0, 10),
    rounds: options.rounds,
    window_seconds: options.seconds,
    warmup_seconds: options.warmupSeconds,
    load_average_before: loadavg()[0] as number,
  }
}

function onbehalfVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
