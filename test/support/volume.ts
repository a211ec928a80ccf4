// A volume as a kubelet keeps it for a ConfigMap or a Secret: links through `..data`, which is swapped at once.
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export type Files = Readonly<Record<string, string>>

export interface Volume {
  readonly folder: string
  /** Puts another generation of the files in the place of the one that was there, which is removed. */
  swap(next: Files): Promise<void>
}

export async function makeVolume(t: TestContext, files: Files): Promise<Volume> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-volume-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  let generation = 0
  const swap = async (next: Files) => {
    const before = nameOf(generation)
    const name = nameOf(++generation)
    await mkdir(join(folder, name))
    for (const [file, text] of Object.entries(next)) await writeFile(join(folder, name, file), text)
    await symlink(name, join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
    await rm(join(folder, before), { recursive: true, force: true })
  }
  await swap(files)
  for (const file of Object.keys(files)) await symlink(join('..data', file), join(folder, file))
  return { folder, swap }
}

function nameOf(generation: number): string {
  return `..2026_11_27_00_00_00.${generation}`
}
