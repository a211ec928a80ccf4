// The golden manifests: each beside what `onbehalf inject` makes of it.
// node test/kubernetes/golden.ts --write rewrites what is made of them; read the difference before it is committed.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { injectionOptions, settingsOf } from '../../deploy/cli/injection-options.ts'
import { injectManifest, type InjectedManifest } from '../../deploy/kubernetes/manifest/manifest.ts'

const folder = join(import.meta.dirname, 'golden')
const made = '.injected.yaml'

export interface Golden {
  readonly name: string
  readonly text: string
  /** What it is to be; undefined where it was never written. */
  readonly expected: string | undefined
  readonly result: InjectedManifest
}

export async function readGoldens(): Promise<readonly Golden[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml') && !name.endsWith(made))
  return Promise.all(names.toSorted().map(readGolden))
}

async function readGolden(file: string): Promise<Golden> {
  const name = file.replace(/\.yaml$/, '')
  const text = await readFile(join(folder, file), 'utf8')
  const expected = await readFile(join(folder, name + made), 'utf8').catch(() => undefined)
  return { name, text, expected, result: injectManifest(text, settingsIn(text)) }
}

function released(image: string): string {
  return image.replace(/^(onbehalf(-redirect)?):.*$/, '$1:1.2.3')
}

/** A comment on the first line may hold flags. The version is none that changes. */
function settingsIn(text: string) {
  const flags = /^# flags: (.*)\n/.exec(text)?.[1] ?? ''
  const { values } = parseArgs({ args: flags === '' ? [] : flags.split(' '), options: injectionOptions })
  const settings = settingsOf(values)
  return {
    ...settings,
    version: '1.2.3',
    image: released(settings.image),
    redirectImage: released(settings.redirectImage),
  }
}

if (process.argv[1] === import.meta.filename && process.argv[2] === '--write')
  for (const { name, result } of await readGoldens()) await writeFile(join(folder, name + made), result.text)
