// `onbehalf token` itself: help, wrong commands, and the program with a real standard input.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { main } from '../../sidecar/cli/main.ts'
import { certificateTimeWords, span, timeWords } from '../../sidecar/cli/token-words.ts'
import { userToken } from '../support/tokens.ts'
import { runToken } from './token-run.ts'

const program = join(import.meta.dirname, '../../deploy/cli/onbehalf.ts')

const run = (input: string) =>
  spawnSync(process.execPath, [program, 'token', 'inspect'], { input, encoding: 'utf8' })

test('the program reads a token from its standard input, and its exit status is the answer', () => {
  const good = run(`${userToken()}\n`)
  assert.deepEqual([good.status, good.stderr], [0, ''])
  assert.match(good.stdout, /sub +"alice"/)
  assert.equal(run('no token').status, 1)
  assert.equal(run('').status, 2)
})

test('the list of commands has it', async () => {
  let stdout = ''
  const output = { write: (text: string) => (stdout += text) }
  await main(['--help'], { stdout: output, stderr: output, env: {}, cwd: '/' })
  assert.match(stdout, /^ {2}token +\S/m)
})

test('each command shows its help, with an example and its exit statuses', async () => {
  for (const args of [
    ['--help'],
    ['inspect', '-h'],
    ['verify', '--help'],
    ['mint', '--help', '--route', 'x'],
  ]) {
    const { status, stdout, stderr } = await runToken(args)
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, /^Usage:/)
    assert.match(stdout, /^Examples?:/m)
    assert.match(stdout, /^Exit status:/m)
  }
})

test('no command, and one that is not there, are wrong use', async () => {
  for (const [args, words] of [
    [[], /say inspect, verify or mint/],
    [['explain'], /"explain" is none of inspect, verify, mint/],
    [['toString'], /is none of/],
  ] as const) {
    const { status, stdout, stderr } = await runToken(args)
    assert.deepEqual([status, stdout], [2, ''])
    assert.match(stderr, words)
  }
})

test('spans are exact where clocks are compared, and short where they are not', () => {
  const spans = [0, 119.9, 120, 7199, 7200, 172_799, 172_800, -95]
  assert.deepEqual(
    spans.map((seconds) => span(seconds)),
    ['0 s', '119 s', '2 min', '119 min', '2 h', '47 h', '2 days', '95 s'],
  )
})

const passes = (claim: 'exp' | 'nbf', seconds: number) => timeWords(claim, seconds, 1000).includes('let pass')

test('a time within the minute that clocks may differ by is said to pass, at its very edges', () => {
  assert.deepEqual([passes('exp', 941), passes('exp', 940)], [true, false])
  assert.deepEqual([passes('nbf', 1060), passes('nbf', 1061)], [true, false])
})

test('of the times of a certificate nothing is said to pass', () => {
  const words = [999, 1000, 1060, 1061].map((now) => certificateTimeWords(1000, 1060, now))
  assert.deepEqual(words, [
    'valid from 1 s in the future',
    'expires in 60 s',
    'expired 0 s ago',
    'expired 1 s ago',
  ])
})
