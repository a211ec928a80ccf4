// Verdicts on chains are kept both ways, and who fails too often waits while others do not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AccountVerdicts } from '../../../shared/assertion/account-verdicts.ts'
import { ChainFault, type Authority } from '../../../shared/certificate/chain.ts'
import { clockMs, makeIntermediate, makeLeaf, makeMesh } from '../../support/certificates.ts'

const mesh = makeMesh('mesh.example.com', ['api-access'])
const leaf = mesh.issue('api-access')
const chain = [leaf.base64]
const peer = '192.0.2.1'
const bad = (i: number) => [Buffer.from([1, i >> 8, i & 0xff]).toString('base64')]

/** An authority that counts how often its roots are looked at: a verdict that is kept looks at none. */
function watched(authority: Authority): { authority: Authority; looks: () => number } {
  let looks = 0
  const watching: Authority = {
    ...authority,
    get accounts() {
      looks++
      return authority.accounts
    },
  }
  return { authority: watching, looks: () => looks }
}

function failTimes(verdicts: AccountVerdicts, count: number, from: string, nowMs = clockMs, first = 0): void {
  for (let i = first; i < first + count; i++) {
    assert.throws(() => verdicts.accountKey(bad(i), mesh.authority, from, nowMs), ChainFault)
  }
}

test('a good chain gives the key of its account', () => {
  const key = new AccountVerdicts().accountKey(chain, mesh.authority, peer, clockMs)
  assert.equal(key?.account, 'api-access')
  assert.ok(key?.key.equals(leaf.keys.publicKey))
})

test('a good chain is judged once', () => {
  const verdicts = new AccountVerdicts()
  const { authority, looks } = watched(mesh.authority)
  const first = verdicts.accountKey(chain, authority, peer, clockMs)
  assert.equal(verdicts.accountKey(chain, authority, '192.0.2.2', clockMs + 1_000), first)
  assert.equal(looks(), 1)
})

test('a good chain is judged again when its certificate has ended', () => {
  const verdicts = new AccountVerdicts()
  const short = [mesh.issue('api-access', { notAfterMs: clockMs + 5_000 }).base64]
  assert.ok(verdicts.accountKey(short, mesh.authority, peer, clockMs + 4_999))
  assert.throws(() => verdicts.accountKey(short, mesh.authority, peer, clockMs + 5_001), { code: 'expired' })
})

test('a bad chain is judged once a minute, and is no new failure while its verdict is kept', () => {
  const verdicts = new AccountVerdicts()
  const { authority, looks } = watched(mesh.authority)
  const unknown = [mesh.issue('unknown').base64]
  for (let i = 0; i < 100; i++) {
    assert.throws(() => verdicts.accountKey(unknown, authority, peer, clockMs + i), {
      code: 'account_unknown',
    })
  }
  assert.equal(looks(), 1)
  assert.throws(() => verdicts.accountKey(unknown, authority, peer, clockMs + 60_000), {
    code: 'account_unknown',
  })
  assert.equal(looks(), 2)
})

test('a chain that was not valid yet is good as soon as it is', () => {
  const verdicts = new AccountVerdicts()
  const early = [mesh.issue('api-access', { notBeforeMs: clockMs + 1_000 }).base64]
  for (const atMs of [clockMs, clockMs + 999])
    assert.throws(() => verdicts.accountKey(early, mesh.authority, peer, atMs), { code: 'not_yet_valid' })
  assert.equal(verdicts.accountKey(early, mesh.authority, peer, clockMs + 1_000)?.account, 'api-access')
})

test('a chain that has ended is good for what was signed before it did', () => {
  const verdicts = new AccountVerdicts()
  const ended = [mesh.issue('api-access', { notAfterMs: clockMs - 1_000 }).base64]
  assert.throws(() => verdicts.accountKey(ended, mesh.authority, peer, clockMs), { code: 'expired' })
  const moment = { atMs: clockMs - 2_000, earlyMs: 0 }
  assert.equal(verdicts.accountKey(ended, mesh.authority, peer, clockMs, moment)?.account, 'api-access')
})

test('a chain may begin somewhat later than it was used, where that is asked for', () => {
  const verdicts = new AccountVerdicts()
  const early = [mesh.issue('api-access', { notBeforeMs: clockMs + 1_000 }).base64]
  const ask = (atMs: number, earlyMs: number) =>
    verdicts.accountKey(early, mesh.authority, peer, clockMs, { atMs, earlyMs })
  assert.throws(() => ask(clockMs, 0), { code: 'not_yet_valid' })
  assert.throws(() => ask(clockMs, 999), { code: 'not_yet_valid' })
  assert.equal(ask(clockMs, 1_000)?.account, 'api-access')
  assert.throws(() => ask(clockMs, 0), { code: 'not_yet_valid' })
})

test('a verdict is for one authority: what counts for one mesh is judged anew for another', () => {
  const verdicts = new AccountVerdicts()
  const other = makeMesh('partner.example.com', ['api-access'])
  assert.ok(verdicts.accountKey(chain, mesh.authority, peer, clockMs))
  assert.throws(() => verdicts.accountKey(chain, other.authority, peer, clockMs), ChainFault)
})

test('a bad list of certificates that looks like a good one when joined says nothing about the good one', () => {
  const intermediate = makeIntermediate(mesh.root)
  const long = makeLeaf(intermediate, 'spiffe://mesh.example.com/api-access')
  const good = [long.base64, intermediate.base64]
  const verdicts = new AccountVerdicts()
  for (const separator of [' ', ',', '\n', '', '","']) {
    assert.throws(
      () => verdicts.accountKey([good.join(separator)], mesh.authority, peer, clockMs),
      ChainFault,
    )
  }
  assert.equal(verdicts.accountKey(good, mesh.authority, peer, clockMs)?.account, 'api-access')
})

test('a good list of certificates says nothing about another list that looks like it when joined', () => {
  const intermediate = makeIntermediate(mesh.root)
  const long = makeLeaf(intermediate, 'spiffe://mesh.example.com/api-access')
  const good = [long.base64, intermediate.base64]
  const verdicts = new AccountVerdicts()
  assert.ok(verdicts.accountKey(good, mesh.authority, peer, clockMs))
  assert.throws(() => verdicts.accountKey([good.join(' ')], mesh.authority, peer, clockMs), ChainFault)
})

test('a peer that failed twenty times is not judged', () => {
  const verdicts = new AccountVerdicts()
  failTimes(verdicts, 20, peer)
  const { authority, looks } = watched(mesh.authority)
  assert.equal(verdicts.accountKey(chain, authority, peer, clockMs), undefined)
  assert.equal(looks(), 0)
})

test('a peer that failed nineteen times still is', () => {
  const verdicts = new AccountVerdicts()
  failTimes(verdicts, 19, peer)
  assert.ok(verdicts.accountKey(chain, mesh.authority, peer, clockMs))
})

test('what is known is still told to a peer that failed too often', () => {
  const verdicts = new AccountVerdicts()
  assert.ok(verdicts.accountKey(chain, mesh.authority, peer, clockMs))
  failTimes(verdicts, 20, peer)
  assert.ok(verdicts.accountKey(chain, mesh.authority, peer, clockMs))
  assert.throws(() => verdicts.accountKey(bad(0), mesh.authority, peer, clockMs), ChainFault)
})

test('one peer’s failures are not another’s', () => {
  const verdicts = new AccountVerdicts()
  failTimes(verdicts, 20, peer)
  assert.ok(verdicts.accountKey(chain, mesh.authority, '192.0.2.2', clockMs))
})

test('time heals: one more try each second, and all of them again in the end', () => {
  const verdicts = new AccountVerdicts()
  failTimes(verdicts, 20, peer)
  assert.equal(verdicts.accountKey(bad(100), mesh.authority, peer, clockMs + 999), undefined)
  failTimes(verdicts, 1, peer, clockMs + 1_000, 101)
  assert.equal(verdicts.accountKey(bad(102), mesh.authority, peer, clockMs + 1_000), undefined)
  failTimes(verdicts, 20, peer, clockMs + 1_000 + 20_000, 200)
  assert.equal(verdicts.accountKey(bad(300), mesh.authority, peer, clockMs + 21_000), undefined)
})

test('a good chain takes no failure back', () => {
  const verdicts = new AccountVerdicts()
  failTimes(verdicts, 19, peer)
  assert.ok(verdicts.accountKey(chain, mesh.authority, peer, clockMs))
  failTimes(verdicts, 1, peer, clockMs, 50)
  assert.equal(verdicts.accountKey(bad(99), mesh.authority, peer, clockMs), undefined)
})
