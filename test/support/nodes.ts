// The Nodes that apps in tests run on: the older ones of test/apps, and the one that runs the tests.
import { accessSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Where the packages of tested apps are, and where their programs find them. */
export const appsFolder = join(import.meta.dirname, '../apps')

export interface Node {
  readonly major: number
  readonly path: string
  /** Why it cannot run here; undefined where it can. */
  readonly missing: string | undefined
}

const { resolve } = createRequire(join(appsFolder, 'package.json'))

/** Oldest first. */
export const nodes: readonly Node[] = [
  ...[18, 20, 22, 24].map(olderNode),
  { major: Number(process.versions.node.split('.')[0]), path: process.execPath, missing: undefined },
]

function olderNode(major: number): Node {
  const name = process.arch === 'x64' ? `node${major}` : `node${major}-${process.arch}`
  try {
    const path = join(dirname(resolve(`${name}/package.json`)), 'bin/node')
    accessSync(path)
    return { major, path, missing: process.platform === 'linux' ? undefined : 'its binary is for Linux' }
  } catch {
    return { major, path: '', missing: `Node ${major} is not installed in test/apps` }
  }
}
