// Free ports for processes beside each other: none is given to two of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { freePorts } from '../../deploy/demo/ports.ts'

/** The module once more is as a process of the same number beside this one. */
async function load(as: string): Promise<typeof freePorts> {
  const module = (await import(`../../deploy/demo/ports.ts?${as}`)) as { freePorts: typeof freePorts }
  return module.freePorts
}

test('who looks for ports at the same time looks elsewhere', async () => {
  const [one, other] = await Promise.all([load('one'), load('other')])
  const [ones, others] = await Promise.all([one(50), other(50)])
  const apart = Math.max(...ones) < Math.min(...others) || Math.max(...others) < Math.min(...ones)
  assert.ok(apart, `${ones.join(' ')} and ${others.join(' ')}`)
})
