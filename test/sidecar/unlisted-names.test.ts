// How many names are looked up at once, for how many who ask.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UnlistedNames, type LookUpAll } from '../../sidecar/unlisted-names.ts'

/** Look-ups that end when the test says so. */
function makeNames() {
  const underWay = new Map<string, Parameters<LookUpAll>[2]>()
  const asked: string[] = []
  const names = new UnlistedNames((host, _options, callback) => {
    asked.push(host)
    underWay.set(host, callback)
  })
  const said: string[] = []
  return {
    asked,
    said,
    find: (host: string, family = 0) =>
      names.find(host, { family }, (error, addresses) =>
        said.push(`${host}: ${error?.code ?? addresses.map(({ address }) => address).join()}`),
      ),
    answer: (host: string) => {
      const callback = underWay.get(host)
      underWay.delete(host)
      callback?.(null, [{ address: '192.0.2.1', family: 4 }])
    },
  }
}

test('whoever asks for a name that is looked up is told what comes of it', () => {
  const { find, answer, asked, said } = makeNames()
  for (let i = 0; i < 3; i++) find('a')
  answer('a')
  assert.deepEqual([asked, said], [['a'], ['a: 192.0.2.1', 'a: 192.0.2.1', 'a: 192.0.2.1']])
  find('a')
  assert.deepEqual(asked, ['a', 'a'])
})

test('of another family it is another question', () => {
  const { find, asked } = makeNames()
  find('a', 4)
  find('a', 6)
  assert.deepEqual(asked, ['a', 'a'])
})

test('four are looked up at once, the others in their turn', () => {
  const { find, answer, asked, said } = makeNames()
  for (const host of 'abcdef') find(host)
  assert.deepEqual(asked, 'abcd'.split(''))
  answer('c')
  assert.deepEqual(asked, 'abcde'.split(''))
  for (const host of 'abdef') answer(host)
  assert.deepEqual(asked, 'abcdef'.split(''))
  assert.equal(said.length, 6)
  find('g')
  assert.deepEqual(asked, 'abcdefg'.split(''))
})

test('no more wait than there is room for', () => {
  const { find, said } = makeNames()
  for (let i = 0; i < 1_004; i++) find(`name${i}`)
  assert.deepEqual(said, [])
  find('one more')
  assert.deepEqual(said, ['one more: EAGAIN'])
})
