// Every command says by --help how it is used, with an example and its exit statuses, and takes what it names.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commands as known } from '../../deploy/cli/commands.ts'
import { describeCommands, main } from '../../sidecar/cli/main.ts'

async function run(args: readonly string[]) {
  const written = { stdout: '', stderr: '' }
  const stdout = { write: (text: string) => void (written.stdout += text) }
  const stderr = { write: (text: string) => void (written.stderr += text) }
  const status = await main([...args], { stdout, stderr, env: {}, cwd: '/' }, known)
  return { status, ...written }
}

const commands = await describeCommands(known)
const wordsOf = (name: string) => (name === '' ? [] : name.split(' '))

test('all commands are there', () => {
  const names = new Set(commands.map(({ name }) => name))
  for (const name of [
    'run',
    'check',
    'explain',
    'config',
    'drain',
    'token verify',
    'ca issue',
    'completion bash',
  ])
    assert.ok(names.has(name), name)
})

for (const { name, options } of commands) {
  const command = `onbehalf ${name}`.trim()
  test(`${command} --help has an example, exit statuses, and its options`, async () => {
    const { status, stdout, stderr } = await run([...wordsOf(name), '--help'])
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, /^Usage:/m)
    assert.match(stdout, /^Exit status: 0 /m)
    if (name !== '') assert.match(stdout, /^ *Examples?:/m)
    assert.ok(options.includes('--help'), stdout)
  })

  for (const option of options.filter((each) => name !== '' && each !== '--help')) {
    test(`${command} takes ${option}, and not what looks like it`, async () => {
      const misspelt = `${option.slice(0, -2)}${option.at(-1)}${option.at(-2)}x`
      const wrong = await run([...wordsOf(name), misspelt])
      assert.equal(wrong.status, 2)
      assert.match(wrong.stderr, new RegExp(`there is no option ${misspelt}`))
      assert.match(wrong.stderr, /^See onbehalf .*--help\.$/m)
      // Another option is what is wrong, so the command does not even begin.
      const right = await run([...wordsOf(name), option, 'x', '--no-such'])
      assert.equal(right.status, 2)
      assert.doesNotMatch(right.stderr, new RegExp(`there is no option ${option}(?![\\w-])`))
    })
  }
}

test('a misspelt command and a misspelt option are told what was probably meant', async () => {
  assert.match((await run(['chekc'])).stderr, /there is no command "chekc"; did you mean "check"\?/)
  assert.match(
    (await run(['check', '--cofnig', 'x'])).stderr,
    /there is no option --cofnig; did you mean "--config"\?/,
  )
  assert.match((await run(['token', 'verfy'])).stderr, /"verfy" is none of inspect, verify, mint/)
  assert.match((await run(['run', '--config'])).stderr, /--config needs a value/)
})

test('without a command the usage is printed, and that is wrong use', async () => {
  const { status, stdout } = await run([])
  assert.equal(status, 2)
  assert.match(stdout, /^Usage: onbehalf <command>/m)
})
