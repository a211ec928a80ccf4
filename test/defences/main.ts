// `make defences`: runs each attack on a copy whose defence is taken out, and tells of those that fail to notice.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { defences, type Defence } from './defences.ts'

const root = path.resolve(import.meta.dirname, '../..')
const copied = ['shared', 'sidecar', 'deploy', 'test', 'package.json', 'tsconfig.json']
const limitMs = 180_000

const isOurs = (file: string) => path.basename(file) !== 'node_modules'

function makeCopy(): string {
  const copy = mkdtempSync(path.join(tmpdir(), 'onbehalf-defences-'))
  for (const name of copied) {
    cpSync(path.join(root, name), path.join(copy, name), { recursive: true, filter: isOurs })
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
  return copy
}

function runs(copy: string, args: readonly string[]): boolean {
  return spawnSync(process.execPath, args, { cwd: copy, timeout: limitMs, stdio: 'ignore' }).status === 0
}

/** @throws {Error} it cannot be built. */
function build(copy: string): void {
  if (!runs(copy, ['deploy/bundle/build.ts'])) throw new Error('it cannot be built')
}

/** @returns whether the attack's test passes without its defence. */
function passesWithout(copy: string, { attack, file, text, off, isBundled = false }: Defence): boolean {
  const at = path.join(copy, file)
  const before = readFileSync(at, 'utf8')
  writeFileSync(
    at,
    before.replace(text, () => off),
  )
  try {
    if (isBundled) build(copy)
    return runs(copy, ['--test', `test/attacks/${attack}.test.ts`])
  } finally {
    writeFileSync(at, before)
    // A bundle that was not built anew has its defence, so that who needs one and does not say so is found.
    if (isBundled) build(copy)
  }
}

function main(only: string | undefined): number {
  const copy = makeCopy()
  let unnoticed = 0
  try {
    build(copy)
    for (const defence of defences) {
      if (only !== undefined && defence.attack !== only) continue
      const isUnnoticed = passesWithout(copy, defence)
      if (isUnnoticed) unnoticed++
      console.log(`${isUnnoticed ? 'NOT NOTICED' : 'noticed'}: ${defence.attack} without ${defence.file}`)
    }
  } finally {
    rmSync(copy, { recursive: true })
  }
  return unnoticed === 0 ? 0 : 1
}

process.exitCode = main(process.env['ONLY'])
