// `npm run build`: the sidecar in one file, what it seldom loads in others, and the preload.
import { chmod, readFile } from 'node:fs/promises'
import path from 'node:path'
import { readPageFiles } from '../../sidecar/admin/page-files.ts'
import { readManifestFiles } from '../kubernetes/install/manifests.ts'
import { build, type BuildOptions, type Plugin } from 'esbuild'
import { commandsApart, commandsSource, opentelemetryApart, seldomLater } from './apart.ts'

const root = path.join(import.meta.dirname, '../..')
const dist = (name: string) => path.join(root, 'dist', name)

/** One of OpenTelemetry's packages looks for another where it lies itself, past the bundle. */
const withinBundle: Plugin = {
  name: 'within the bundle',
  setup(bundler) {
    bundler.onLoad({ filter: /otlp-grpc-exporter-base\/.*\.mjs$/ }, async ({ path: file }) => ({
      contents: (await readFile(file, 'utf8')).replaceAll('__require(', 'require('),
    }))
  },
}

const common: BuildOptions = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  legalComments: 'none',
  logLevel: 'warning',
  define: { ONBEHALF_VERSION: JSON.stringify(process.env['npm_package_version'] ?? 'unknown') },
}

/** 5 MiB less of memory: V8 keeps the source, and two bytes for each character where a comment holds a single ’. Names stay. */
const dense: BuildOptions = {
  ...common,
  minifyWhitespace: true,
  lineLimit: 160,
  // `import('node:http')` reads every export of it, of which one carries out all of Node's fetch: 8 MiB.
  supported: { 'dynamic-import': false },
}

const program: BuildOptions = {
  ...dense,
  target: 'node26',
  define: {
    ...common.define,
    ONBEHALF_PAGE: JSON.stringify(readPageFiles()),
    ONBEHALF_MANIFESTS: JSON.stringify(readManifestFiles()),
    'import.meta.dirname': '__dirname',
  },
}

async function buildSidecar(): Promise<void> {
  const commands = new Set<string>()
  await build({
    ...program,
    outfile: dist('onbehalf.cjs'),
    entryPoints: [path.join(root, 'deploy/cli/onbehalf.ts')],
    plugins: [opentelemetryApart, commandsApart(commands)],
  })
  await chmod(dist('onbehalf.cjs'), 0o755)
  await build({
    ...program,
    outfile: dist('commands.cjs'),
    stdin: { contents: commandsSource(commands), resolveDir: root },
    plugins: [opentelemetryApart],
  })
}

async function buildOpenTelemetry(): Promise<void> {
  await build({
    ...dense,
    target: 'node26',
    outfile: dist('opentelemetry.cjs'),
    entryPoints: [path.join(root, 'sidecar/telemetry/otel/start.ts')],
    plugins: [withinBundle, seldomLater],
    // Only loaders for modules that are not bundled ask.
    define: { ...common.define, 'import.meta.url': 'undefined' },
  })
}

async function buildPreload(): Promise<void> {
  await build({
    ...common,
    target: 'node18',
    outfile: dist('preload.cjs'),
    entryPoints: [path.join(root, 'deploy/preload/preload.ts')],
  })
}

await Promise.all([buildSidecar(), buildOpenTelemetry(), buildPreload()])
