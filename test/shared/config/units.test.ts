// Durations, sizes, hosts and addresses.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isLoopback, parseHost, parseListenAddress, parseOrigin } from '../../../shared/config/address.ts'
import { didYouMean } from '../../../shared/config/suggest.ts'
import { parseDuration, parseSize } from '../../../shared/config/units.ts'

test('durations are read as in Go, to milliseconds', () => {
  const given = {
    '250ms': 250,
    '30s': 30_000,
    '5m': 300_000,
    '1h': 3_600_000,
    '0s': 0,
    '1h30m': 5_400_000,
    '1.5s': 1500,
  }
  for (const [text, ms] of Object.entries(given)) assert.equal(parseDuration(text), ms, text)
})

test('what is no duration is none, and neither is one that no timer can wait for', () => {
  for (const text of [
    '',
    '30',
    's',
    '-1s',
    '1 s',
    '5d',
    '1e3s',
    '597h',
    '.5s',
    '1.s',
    '9'.repeat(40) + 's',
  ]) {
    assert.equal(parseDuration(text), undefined, text)
  }
})

test('sizes are read to bytes', () => {
  const given = {
    '32KiB': 32_768,
    '64MiB': 67_108_864,
    '1GiB': 1_073_741_824,
    '10MB': 10_000_000,
    '7': 7,
    '0': 0,
  }
  for (const [text, bytes] of Object.entries(given)) assert.equal(parseSize(text), bytes, text)
  for (const text of ['', '1.5MiB', '-1', '32kb', '1 MiB', 'MiB', '999999999999999GiB']) {
    assert.equal(parseSize(text), undefined, text)
  }
})

test('a duration of whole milliseconds is read as written', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 31 - 1 }), (ms) => {
      assert.equal(parseDuration(`${ms}ms`), ms)
    }),
  )
})

test('a URL becomes host and port, and anything that would have no effect is a fault', () => {
  assert.deepEqual(parseOrigin('https://App.Example.com'), {
    value: { tls: true, host: 'app.example.com', port: 443 },
  })
  assert.deepEqual(parseOrigin('http://[::1]:8080/'), { value: { tls: false, host: '::1', port: 8080 } })
  const faulty = [
    'app',
    'https:app',
    'https://a/b',
    'https://a?',
    'https://a#',
    'https://u@a',
    'https://a\\b',
    'https://a b',
    'https://a\t',
    'file:///etc',
    'https://*.a',
    'https://a:0',
    'https://a:99999',
  ]
  for (const text of faulty) assert.ok('fault' in parseOrigin(text), text)
})

test('a listening address is an IP address and a port', () => {
  assert.deepEqual(parseListenAddress('[::]:15006'), { value: { host: '::', port: 15_006 } })
  for (const text of [
    ':1',
    '15006',
    'example.com:1',
    '::1:15006',
    '127.0.0.1',
    '127.0.0.1:65536',
    '[127.0.0.1]:1',
    '1.2.3:1',
  ]) {
    assert.ok('fault' in parseListenAddress(text), text)
  }
})

test('only what cannot be reached from elsewhere is loopback', () => {
  for (const host of ['127.0.0.1', '127.255.0.3', '::1', '0:0:0:0:0:0:0:1', 'localhost'])
    assert.equal(isLoopback(host), true, host)
  for (const host of [
    '128.0.0.1',
    '0.0.0.0',
    '::',
    'localhost.example.com',
    'x.localhost',
    '127.example.com',
    '::ffff:8.8.8.8',
  ]) {
    assert.equal(isLoopback(host), false, host)
  }
})

test('a host is compared in one form', () => {
  assert.deepEqual(parseHost('API.Default.svc.'), { value: 'api.default.svc' })
  assert.deepEqual(parseHost('0:0:0:0:0:0:0:1'), { value: '::1' })
  for (const text of ['', 'a b', 'a:80', 'http://a', '*.a', 'a/b', 'a@b', '[::1]:80'])
    assert.ok('fault' in parseHost(text), text)
})

test('a suggestion is made for a likely slip only', () => {
  assert.equal(didYouMean('polcy', ['policy', 'path']), '; did you mean "policy"?')
  assert.equal(
    didYouMean('passIdentityHeaders', ['pass_identity_headers']),
    '; did you mean "pass_identity_headers"?',
  )
  assert.equal(didYouMean('banana', ['policy', 'path']), '')
})
