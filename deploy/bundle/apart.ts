// What `run` does not load stands in files of its own: whatever V8 is given it reads through at each start, and keeps.
import path from 'node:path'
import type { Plugin } from 'esbuild'

const others = './commands.cjs'
const tables = /\/(sidecar\/cli\/main|deploy\/cli\/commands)\.ts$/

/** OpenTelemetry's SDK: read only where telemetry is exported. */
export const opentelemetryApart: Plugin = {
  name: 'opentelemetry apart',
  setup(bundler) {
    bundler.onResolve({ filter: /\/otel\/start\.ts$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: './opentelemetry.cjs', external: true } : undefined,
    )
  },
}

const seldom = /^@opentelemetry\/exporter-(?:\w+-otlp-grpc|zipkin|prometheus)$/

/** Exporters that few ask for: the SDK names them all, and each is carried out when it is used. */
export const seldomLater: Plugin = {
  name: 'seldom later',
  setup(bundler) {
    bundler.onResolve({ filter: seldom }, async ({ path: name, pluginData, resolveDir }) => {
      if (pluginData === 'itself') return undefined
      // As an import: by `require` it would be another copy of all that it stands on.
      const found = await bundler.resolve(name, {
        kind: 'import-statement',
        resolveDir,
        pluginData: 'itself',
      })
      return { path: name, namespace: 'later', pluginData: found.path }
    })
    bundler.onLoad({ filter: /./, namespace: 'later' }, async ({ path: name, pluginData: file }) => ({
      contents: Object.keys(await import(name))
        .map((key) => laterSource(key, file))
        .join('\n'),
      resolveDir: path.dirname(file),
    }))
  },
}

function laterSource(name: string, file: string): string {
  const get = `() => require(${JSON.stringify(file)}).${name}`
  return `Object.defineProperty(exports, '${name}', { enumerable: true, get: ${get} })`
}

/** Every command but `run`; in place of each stands what finds it in the file of the others. */
export function commandsApart(found: Set<string>): Plugin {
  return {
    name: 'commands apart',
    setup(bundler) {
      bundler.onResolve({ filter: /^\.\/[\w-]+\.ts$/ }, ({ kind, importer, path: name, resolveDir }) => {
        if (kind !== 'dynamic-import' || !tables.test(importer) || name === './run.ts') return undefined
        const file = path.join(resolveDir, name)
        found.add(file)
        return { path: file, namespace: 'command' }
      })
      bundler.onResolve({ filter: /./, namespace: 'command' }, () => ({ path: others, external: true }))
      bundler.onLoad({ filter: /./, namespace: 'command' }, ({ path: file }) => ({
        contents: `module.exports = require(${JSON.stringify(others)})[${JSON.stringify(nameOf(file))}]()`,
      }))
    },
  }
}

/** The file of the others: each is carried out when it is asked for. */
export function commandsSource(found: ReadonlySet<string>): string {
  const entries = [...found].map(
    (file) => `${JSON.stringify(nameOf(file))}: () => require(${JSON.stringify(file)})`,
  )
  return `module.exports = {${entries.join(',\n')}}`
}

function nameOf(file: string): string {
  return path.basename(file, '.ts')
}
