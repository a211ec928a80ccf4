// How the bench reads /proc: made-up texts, and this process itself.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { cpuMs, memory, parseStat, parseStatus } from './proc.ts'

// State, then parent 41, then ten fields, then user time 250 and system time 30 in ticks of 10 ms.
const behindName =
  'S 41 7000 7000 0 -1 4194560 1 2 3 4 250 30 900 800 20 0 11 0 12345 1000000 2000 18446744073709551615'

for (const name of ['nginx', 'a name', 'odd) R 1 (name', ') ) (']) {
  test(`parent and CPU time are read behind the command ${JSON.stringify(name)}`, () => {
    assert.deepEqual(parseStat(`7123 (${name}) ${behindName}\n`), { parent: 41, cpuMs: 2_800 })
  })
}

test('what is not the text of /proc/<pid>/stat is refused', () => {
  assert.throws(() => parseStat(''), /is not \/proc/)
  assert.throws(() => parseStat('7123 (nginx) S 41'), /is not \/proc/)
})

test('memory is read in MiB', () => {
  const text =
    'Name:\tnode\nVmPeak:\t 9999 kB\nVmRSS:\t  3072 kB\nRssAnon:\t  1024 kB\nRssFile:\t  2048 kB\nThreads:\t11\n'
  assert.deepEqual(parseStatus(text), { rss_mib: 3, rss_anon_mib: 1, rss_file_mib: 2 })
  assert.throws(() => parseStatus('Name:\tkthreadd\n'), /has no VmRSS/)
})

const skip = process.platform !== 'linux' && 'only Linux has /proc'

test('what a descendant uses counts', { skip }, async (t) => {
  const busy = 'while (process.cpuUsage().user < 100_000); console.log(1); process.stdin.resume()'
  const parent = spawn('sh', ['-c', '"$0" -e "$1"; true', process.execPath, busy], { stdio: 'pipe' })
  t.after(() => parent.stdin.end())
  await once(parent.stdout, 'data')
  const pid = parent.pid as number
  assert.ok((await cpuMs(pid)) >= 100, 'the CPU time of the child of the shell')
  assert.ok((await memory(pid)).rss_mib > 20, 'the memory of the child of the shell')
})

test('a process that has ended is said, instead of counted as idle', { skip }, async () => {
  const child = spawn('true')
  await once(child, 'exit')
  await assert.rejects(cpuMs(child.pid as number), /has ended/)
})
