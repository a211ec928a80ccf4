// The root file system of a container: what its image holds, over the host's own libraries, and the volumes of its pod.
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** What an image brings: its files by their path in it, and what it runs. */
export interface Image {
  readonly files: Readonly<Record<string, string>>
  readonly entrypoint: readonly string[]
  readonly user: number
}

/** A file or folder of the host, at a path in the container. */
export interface Bind {
  readonly from: string
  readonly to: string
  readonly readOnly: boolean
}

/** Of the host, for what the images would bring themselves: libraries, a shell, iptables. */
const borrowed = [
  '/usr',
  '/lib',
  '/lib64',
  '/bin',
  '/sbin',
  '/etc/alternatives',
  '/etc/ssl',
  '/proc',
  '/sys',
] as const

/**
 * A shell script that makes the root file system within a mount namespace of its own, enters it and runs `"$@"`.
 * @param folder an empty folder of the host, on which the root is mounted.
 */
export function enterScript(
  folder: string,
  image: Image,
  binds: readonly Bind[],
  readOnlyRoot: boolean,
): string {
  const all = [
    ...borrowed.map((path) => ({ from: path, to: path, readOnly: path !== '/proc' })),
    ...['null', 'zero', 'random', 'urandom'].map((name) => ({
      from: `/dev/${name}`,
      to: `/dev/${name}`,
      readOnly: false,
    })),
    ...Object.entries(image.files).map(([to, from]) => ({ from, to, readOnly: true })),
    ...binds,
  ]
  return [
    'set -eu',
    'mount --make-rprivate /',
    `mount -t tmpfs -o mode=755,size=4m none ${folder}`,
    `mkdir -m 1777 ${folder}/tmp`,
    ...all.flatMap((bind) => bindLines(folder, bind)),
    ...(readOnlyRoot ? [`mount -o remount,ro ${folder}`] : []),
    `exec chroot ${folder} "$@"`,
  ].join('\n')
}

function bindLines(folder: string, { from, to, readOnly }: Bind): string[] {
  const target = folder + to
  return [
    `if [ -e ${from} ]; then`,
    `  mkdir -p ${dirname(target)}`,
    `  if [ -d ${from} ]; then mkdir -p ${target}; else : > ${target}; fi`,
    `  mount --rbind ${from} ${target}`,
    ...(readOnly ? [`  mount -o remount,bind,ro ${target}`] : []),
    'fi',
  ]
}

/** As the kubelet lays out ConfigMaps and Secrets: files are links through `..data` into a folder that is swapped. */
export async function writeVolume(
  folder: string,
  files: Readonly<Record<string, string>>,
  mode: number,
): Promise<void> {
  const generation = '..2026_01_01'
  await mkdir(join(folder, generation), { recursive: true })
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, generation, name), text)
    await chmod(join(folder, generation, name), mode)
    await symlink(join('..data', name), join(folder, name))
  }
  await symlink(generation, join(folder, '..data'))
}

export async function makeEmptyDir(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await chmod(folder, 0o777)
}
