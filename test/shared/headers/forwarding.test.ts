// What one hop says of itself to the next.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from '../../../shared/errors.ts'
import { refuseLoop, withForwarded, withVia } from '../../../shared/headers/forwarding.ts'

const hop = { name: 'onbehalf-1', httpVersion: '1.1', peer: '10.0.0.7', scheme: 'http' } as const

test('Via is begun by the first hop', () => {
  assert.deepEqual(withVia(['Host', 'a'], hop), ['Host', 'a', 'Via', '1.1 onbehalf-1'])
})

test('Via goes on behind the hops before, whatever its spelling and in however many lines', () => {
  const headers = ['Via', '1.1 a', 'Host', 'h', 'VIA', '', 'via', '1.0 b (c), 2.0 d']
  assert.deepEqual(withVia(headers, { ...hop, httpVersion: '1.0' }), [
    'Host',
    'h',
    'Via',
    '1.1 a, 1.0 b (c), 2.0 d, 1.0 onbehalf-1',
  ])
})

for (const via of ['1.1 onbehalf-1', '1.0 a,1.1\tonbehalf-1', '1.1 a (x), HTTP/1.1 onbehalf-1 (y), 1.1 b']) {
  test(`a request that passed here before is refused: ${JSON.stringify(via)}`, () => {
    assert.throws(
      () => refuseLoop(['via', '1.1 z', 'VIA', via], hop),
      (error) => error instanceof Refusal && error.code === 'route_not_found' && error.status === 421,
    )
  })
}

for (const via of ['1.1 onbehalf-2', '1.1 a (onbehalf-1)', '1.1 onbehalf-1x', 'onbehalf-1 a', '']) {
  test(`one that did not is none: ${JSON.stringify(via)}`, () => {
    assert.doesNotThrow(() => refuseLoop(['Via', via], hop))
  })
}

const addressesOf = (headers: readonly string[]) =>
  withForwarded(headers, hop).filter((_, i, all) => i % 2 === 1 && all[i - 1] === 'X-Forwarded-For')

test('the address of the peer comes last, in one line', () => {
  assert.deepEqual(addressesOf(['Host', 'h']), ['10.0.0.7'])
  const headers = ['X-Forwarded-For', '1.2.3.4', 'Host', 'h', 'x-forwarded-for', '5.6.7.8, 9.9.9.9']
  assert.deepEqual(addressesOf(headers), ['1.2.3.4, 5.6.7.8, 9.9.9.9, 10.0.0.7'])
})

test('scheme and host are said where no edge said them, and left alone where one did', () => {
  assert.deepEqual(withForwarded(['Host', 'h:8080'], hop), [
    'Host',
    'h:8080',
    'X-Forwarded-For',
    '10.0.0.7',
    'X-Forwarded-Proto',
    'http',
    'X-Forwarded-Host',
    'h:8080',
  ])
  const edge = ['Host', 'h', 'x-forwarded-proto', 'https', 'X-Forwarded-Host', 'public.example']
  assert.deepEqual(withForwarded(edge, hop), [
    'Host',
    'h',
    'X-Forwarded-For',
    '10.0.0.7',
    'X-Forwarded-Proto',
    'https',
    'X-Forwarded-Host',
    'public.example',
  ])
})

function forwardedOf(headers: readonly string[], peer: string): string[] {
  return withForwarded(headers, { ...hop, peer }).filter((_, i, all) => all[i - 1] === 'Forwarded')
}

test('Forwarded goes on where there is one, and is never begun', () => {
  assert.deepEqual(forwardedOf(['Host', 'h'], '10.0.0.7'), [])
  assert.deepEqual(forwardedOf(['forwarded', 'for=a', 'Host', 'h', 'Forwarded', 'for=b'], '::1'), [
    'for=a, for=b, for="[::1]";proto=http',
  ])
})

test('what an app could take for one of these names does not pass', () => {
  const headers = [
    'X_Forwarded_For',
    '1.2.3.4',
    'x.forwarded-proto',
    'https',
    'X-Forwarded_Host',
    'evil',
    'X-Own',
    '1',
  ]
  const names = withForwarded(['Host', 'h', ...headers], hop).filter((_, i) => i % 2 === 0)
  assert.deepEqual(names, ['Host', 'X-Own', 'X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host'])
})

for (const value of ['for=6.6.6.6;by="', 'for="a\\"', 'for="_a;b="c"']) {
  test(`a Forwarded in whose quotation our member would be lost is dropped: ${value}`, () => {
    const names = withForwarded(['Host', 'h', 'Forwarded', value], hop)
    assert.ok(!names.includes('Forwarded'))
  })
}

test('a Forwarded whose quotations end goes on', () => {
  const value = 'for="[2001:db8::1]:4711";by="a\\"b,c"'
  const [forwarded] = withForwarded(['Host', 'h', 'Forwarded', value], hop).slice(-1)
  assert.equal(forwarded, `${value}, for=10.0.0.7;proto=http`)
})
