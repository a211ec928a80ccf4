// What is installed is what was chosen: by its hash, wherever it comes from, and nothing of it runs by being installed.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

interface Locked {
  readonly integrity?: string
  readonly resolved?: string
  readonly link?: true
}

function lockedIn(folder: string): (readonly [name: string, locked: Locked])[] {
  const text = readFileSync(path.join(import.meta.dirname, folder, 'package-lock.json'), 'utf8')
  const { packages } = JSON.parse(text) as { packages: Record<string, Locked> }
  return Object.entries(packages).filter(([name, { link }]) => name !== '' && link !== true)
}

const folders = ['..', 'apps']

for (const folder of folders) {
  test(`${path.join('test', folder)}: every package is known by its SHA-512, and none by an address`, () => {
    const locked = lockedIn(folder)
    assert.ok(locked.length > 100)
    for (const [name, { integrity, resolved }] of locked) {
      assert.match(integrity ?? '', /^sha512-[\w+/]{86}==$/, name)
      assert.equal(resolved, undefined, name)
    }
  })
}

for (const folder of folders) {
  test(`${path.join('test', folder)}: no script of a package runs when it is installed`, () => {
    const settings = readFileSync(path.join(import.meta.dirname, folder, '.npmrc'), 'utf8')
    assert.ok(settings.split('\n').includes('ignore-scripts=true'))
  })
}
