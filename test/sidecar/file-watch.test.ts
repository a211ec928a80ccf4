// A change is told when it is complete: however the file was changed, and never while it still changes.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock, test, type TestContext } from 'node:test'
import { FileWatch } from '../../sidecar/file-watch.ts'

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-watch-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

interface Watching {
  readonly watch: FileWatch
  readonly changes: () => number
  /** Lets it look once more, and returns when that look is over. */
  readonly look: () => Promise<void>
}

/** `filesAt` is asked at each look which files there are: from 0, the state that the watch begins with. */
async function watching(
  t: TestContext,
  filesAt: (look: number) => readonly string[],
  sinceMs?: number,
): Promise<Watching> {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let hasStarted = false
  let looks = 0
  let changes = 0
  const watch = new FileWatch(
    () => filesAt(hasStarted ? ++looks : 0),
    async () => {
      changes++
    },
  )
  t.after(() => watch.close())
  await watch.start(sinceMs)
  hasStarted = true
  const scheduled = mock.method(globalThis, 'setTimeout')
  t.after(() => scheduled.mock.restore())
  return {
    watch,
    changes: () => changes,
    async look() {
      const before = scheduled.mock.callCount()
      t.mock.timers.tick(250)
      // A look ends by scheduling the next one.
      for (let turns = 0; scheduled.mock.callCount() === before; turns++) {
        assert.ok(turns < 1_000_000, 'the look did not end')
        await turn()
      }
    },
  }
}

/** Two files that differ: naming the one or the other is what a change looks like. */
async function twoFiles(t: TestContext) {
  const folder = await folderFor(t)
  const [a, b] = [join(folder, 'a'), join(folder, 'b')]
  await Promise.all([writeFile(a, 'a'), writeFile(b, 'bb')])
  return { a, b }
}

async function told(t: TestContext, states: string): Promise<number[]> {
  const files = await twoFiles(t)
  const { look, changes } = await watching(t, (at) => [files[states[at] as 'a' | 'b']])
  const seen: number[] = []
  for (let i = 1; i < states.length; i++) {
    await look()
    seen.push(changes())
  }
  return seen
}

test('what does not change is not told', async (t) => {
  assert.deepEqual(await told(t, 'aaaa'), [0, 0, 0])
})

test('a change is told once, when it has stayed for one interval', async (t) => {
  assert.deepEqual(await told(t, 'abbbb'), [0, 1, 1, 1])
})

test('what keeps changing is not told before it stops', async (t) => {
  assert.deepEqual(await told(t, 'abababb'), [0, 0, 0, 0, 0, 1])
})

test('a change and a change back is told too: what was read in between could be either', async (t) => {
  assert.deepEqual(await told(t, 'abaa'), [0, 0, 1])
})

test('two changes are told twice', async (t) => {
  assert.deepEqual(await told(t, 'abbaa'), [0, 1, 1, 2])
})

const manners: Readonly<Record<string, (file: string, folder: string) => Promise<void>>> = {
  'written in place': (file) => writeFile(file, 'something longer'),
  'written in place with as many bytes': async (file) => {
    await writeFile(file, 'neu')
    await utimes(file, 1, 2)
  },
  'replaced by renaming': async (file, folder) => {
    await writeFile(join(folder, 'new'), 'old')
    await rename(join(folder, 'new'), file)
  },
  removed: (file) => rm(file),
}
for (const [manner, change] of Object.entries(manners)) {
  test(`a file that is ${manner} is a change`, async (t) => {
    const folder = await folderFor(t)
    const file = join(folder, 'file')
    await writeFile(file, 'old')
    const { look, changes } = await watching(t, () => [file])
    await look()
    await change(file, folder)
    await look()
    await look()
    assert.equal(changes(), 1)
  })
}

test('a file that appears is a change', async (t) => {
  const file = join(await folderFor(t), 'file')
  const { look, changes } = await watching(t, () => [file])
  await look()
  await writeFile(file, 'here')
  await look()
  await look()
  assert.equal(changes(), 1)
})

test('a folder that is swapped beneath a symbolic link is a change, as Kubernetes does it', async (t) => {
  const folder = await folderFor(t)
  for (const version of ['v1', 'v2']) {
    await mkdir(join(folder, version))
    await writeFile(join(folder, version, 'file'), version)
  }
  await symlink('v1', join(folder, 'data'))
  await symlink(join('data', 'file'), join(folder, 'file'))
  const { look, changes } = await watching(t, () => [join(folder, 'file')])
  await look()
  await symlink('v2', join(folder, 'data_tmp'))
  await rename(join(folder, 'data_tmp'), join(folder, 'data'))
  await look()
  await look()
  assert.equal(changes(), 1)
})

test('a file that changed while it was first read is told, by a clock that is a tick behind too; one that changed before is not', async (t) => {
  const file = join(await folderFor(t), 'file')
  await writeFile(file, 'text')
  await utimes(file, 1_000, 1_000)
  for (const [sinceMs, expected] of [
    [1_000_020, 1],
    [1_000_021, 0],
  ] as const) {
    await t.test(`since ${sinceMs} ms`, async (inner) => {
      const { look, changes } = await watching(inner, () => [file], sinceMs)
      await look()
      await look()
      assert.equal(changes(), expected)
    })
  }
})

test('a file that is not there is nothing that changed while it was first read', async (t) => {
  const { look, changes } = await watching(t, () => ['/nowhere/file'], 1)
  await look()
  assert.equal(changes(), 0)
})

test('after it was closed it looks no more', async (t) => {
  let looks = 0
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const watch = new FileWatch(
    () => {
      looks++
      return []
    },
    async () => undefined,
  )
  await watch.start()
  const before = looks
  watch.close()
  t.mock.timers.tick(10_000)
  await turn()
  assert.equal(looks, before)
})
