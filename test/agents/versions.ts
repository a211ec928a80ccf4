// Which versions the apps of the matrix are made of.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const packages = [
  '@opentelemetry/auto-instrumentations-node',
  'dd-trace',
  'elastic-apm-node',
  '@sentry/node',
  'express',
  'fastify',
  '@grpc/grpc-js',
  'axios',
  'got',
  'undici6',
  'undici7',
  'undici8',
] as const

/** As test/apps pins them. */
export async function versionsOfApps(): Promise<Record<string, string>> {
  const text = await readFile(join(import.meta.dirname, '../apps/package.json'), 'utf8')
  const { dependencies } = JSON.parse(text) as { dependencies: Record<string, string> }
  const pinned = packages.map((name) => [name, dependencies[name]?.replace(/^npm:.*@/, '') ?? 'missing'])
  return { Node: process.versions.node, ...Object.fromEntries(pinned) }
}
