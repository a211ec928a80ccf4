// Links are verified all together: honest ones pass, and every way to tell another story is refused with its reason.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AccountVerdicts } from '../../../shared/assertion/account-verdicts.ts'
import { keyThumbprint } from '../../../shared/certificate/thumbprint.ts'
import { EvidenceFault } from '../../../shared/evidence/fault.ts'
import { verifyVia, type ViaQuestion } from '../../../shared/evidence/verify.ts'
import { Needed, type MissingRule } from '../../../shared/needed.ts'
import { makeTrust } from '../../../shared/trust.ts'
import { clockMs } from '../../support/certificates.ts'
import {
  everythingRevoked,
  nothingElseIsKnown,
  nothingRevoked,
  nowS,
  peer,
  refusalOf,
} from '../../support/tokens.ts'
import { honestCases, hostileCases, type ChainCase } from './cases.ts'
import {
  accountOf,
  aliceToken,
  authority,
  certificateOf,
  chainOf,
  linkOf,
  otherMesh,
  routeAt,
  snapshotAt,
  verifiedUser,
} from './ground.ts'

const honest = chainOf(['S0', 'S1', 'S2'])

function question(changes: Partial<ViaQuestion> = {}): ViaQuestion {
  return {
    via: honest.join(','),
    originalUser: verifiedUser(aliceToken),
    caller: { issuer: 'mesh', subject: accountOf('S1') },
    route: routeAt('S2'),
    peer,
    snapshot: snapshotAt('S2'),
    revocations: nothingRevoked,
    missing: nothingElseIsKnown,
    nowMs: clockMs,
    ...changes,
  }
}

function ask(one: ChainCase): ViaQuestion {
  return question({
    via: one.via,
    originalUser: verifiedUser(one.token),
    caller: { issuer: 'mesh', subject: one.caller },
    route: routeAt(one.at),
    snapshot: snapshotAt(one.at, one.maxHops === undefined ? {} : { maxHops: one.maxHops }),
    nowMs: one.nowS * 1000,
  })
}

for (const one of honestCases) {
  test(`honest: ${one.name}`, () => {
    const links = verifyVia(ask(one))
    assert.equal(links.length, one.via.split(',').length)
    assert.equal(links.at(-1)?.account, one.caller)
  })
}

for (const one of hostileCases) {
  test(`hostile: ${one.name}`, () => {
    assert.throws(
      () => verifyVia(ask(one)),
      (error) => {
        assert.ok(error instanceof EvidenceFault, String(error))
        assert.match(error.message, one.fault as RegExp)
        return true
      },
    )
  })

  test(`hostile, when the links before it are known: ${one.name}`, () => {
    const { snapshot } = question()
    verifyVia(question({ snapshot }))
    const asked = ask(one)
    const { mesh } = asked.snapshot
    assert.throws(() => verifyVia({ ...asked, snapshot: { mesh, trust: snapshot.trust } }), EvidenceFault)
  })
}

test('where an account of another mesh calls, no link counts, whatever the account is called', () => {
  const caller = { issuer: otherMesh.authority.name, subject: accountOf('S1') }
  assert.throws(() => verifyVia(question({ caller })), /an account of another mesh/)
})

test('where a Pomerium says who calls, the last link must be by that account', () => {
  assert.ok(verifyVia(question({ caller: { issuer: 'pomerium', subject: accountOf('S1') } })))
  const caller = { issuer: 'pomerium', subject: accountOf('S3') }
  assert.throws(() => verifyVia(question({ caller })), /is calling/)
})

test('where nobody may certify accounts, no link counts', () => {
  const { mesh, trust } = snapshotAt('S2')
  const snapshot = { mesh, trust: { ...trust, authorities: new Map() } }
  assert.throws(() => verifyVia(question({ snapshot })), /no mesh\.ca/)
})

const keyOf = (service: string) => keyThumbprint(certificateOf(service).keys.publicKey)
const keyRevoked = (service: string) => ({
  ...nothingRevoked,
  isRevoked: ({ keyId }: { keyId: string }) => keyId === keyOf(service),
})

test('a link whose signer is revoked is refused, also when it was found good before', () => {
  const { snapshot } = question()
  verifyVia(question({ snapshot }))
  assert.throws(
    () => verifyVia(question({ snapshot, revocations: keyRevoked('S0') })),
    /link 1: .* was revoked/,
  )
  assert.throws(
    () => verifyVia(question({ snapshot, revocations: keyRevoked('S1') })),
    /link 2: .* was revoked/,
  )
  assert.throws(() => verifyVia(question({ snapshot, revocations: everythingRevoked })), /link 1: /)
})

test('what is revoked is asked about by key, account, link and time', () => {
  const asked: unknown[] = []
  const isRevoked = (signed: unknown) => asked.push(signed) === 0
  const [first] = verifyVia(question({ revocations: { ...nothingRevoked, isRevoked } }))
  assert.deepEqual(asked[0], {
    principal: { issuer: 'mesh', subject: accountOf('S0') },
    sessionId: '',
    tokenId: first?.linkId,
    keyId: first?.keyId,
    issuedAt: nowS,
  })
})

test('a link that was found good is not verified again, and is what it was', () => {
  const { snapshot } = question()
  const links = verifyVia(question({ snapshot }))
  const again = verifyVia(question({ snapshot }))
  for (const [i, link] of links.entries()) assert.equal(again[i], link)
})

test('under other roots nothing of what was found good is remembered', () => {
  const { snapshot } = question()
  verifyVia(question({ snapshot }))
  const { certificates } = snapshot.trust
  const other = { ...authority.authority, roots: otherMesh.authority.roots }
  const trust = makeTrust([], [other], new AccountVerdicts(), certificates)
  assert.throws(() => verifyVia(question({ snapshot: { ...snapshot, trust } })), /does not end in a root/)
})

test('links that are remembered are bounded', () => {
  const { snapshot } = question()
  for (let i = 0; i < 20; i++) {
    const via = chainOf(['S0', 'S1', 'S2']).join(',')
    verifyVia(question({ snapshot, via }))
  }
  const { links } = snapshot.trust
  assert.equal(links.size, 40)
  assert.ok(links.weight > 40 * honest[0]!.length && links.weight < 1024 * 1024, `${links.weight}`)
})

const askForAll: MissingRule = () => 'ask'
const neverAsked: MissingRule = () => assert.fail('it was asked')

test('certificates that are missing are asked for together', () => {
  const bare = chainOf(['S0', 'S1', 'S2'], { withChain: false })
  assert.throws(
    () => verifyVia(question({ via: bare.join(','), missing: askForAll })),
    (error) => {
      assert.ok(error instanceof Needed && error.need.kind === 'certificates')
      assert.deepEqual(error.need.keyIds, ['S0', 'S1'].map(keyOf))
      return true
    },
  )
})

test('certificates that are known by their kid need not come along', () => {
  const { snapshot } = question()
  verifyVia(question({ snapshot }))
  const bare = chainOf(['S0', 'S1', 'S2'], { withChain: false })
  assert.equal(verifyVia(question({ snapshot, via: bare.join(',') })).length, 2)
})

test('a certificate that cannot be looked up now is keys_unavailable, not a verdict', () => {
  const bare = chainOf(['S0', 'S1', 'S2'], { withChain: false })
  assert.equal(
    refusalOf(() => verifyVia(question({ via: bare.join(','), missing: () => 'unavailable' }))),
    'keys_unavailable',
  )
})

test('what is wrong without any certificate is not asked about', () => {
  const bare = chainOf(['S0', 'S1', 'S2'], { withChain: false })
  assert.throws(() => verifyVia(question({ via: bare[1] as string, missing: neverAsked })), EvidenceFault)
})

const second = (certificate: ReturnType<typeof certificateOf>) => [
  honest[0] as string,
  linkOf({ from: 'S1', to: 'S2', after: honest[0], certificate }),
]

test('a signer whose certificate has ended since is still who signed', () => {
  const certificate = authority.issue(accountOf('S1'), { notAfterMs: clockMs + 1_000 })
  const asked = question({ via: second(certificate).join(','), nowMs: clockMs + 120_000 })
  assert.equal(verifyVia(asked).length, 2)
})

const beginning = (afterMs: number) => authority.issue(accountOf('S1'), { notBeforeMs: clockMs + afterMs })

test('a certificate that began within a minute of the link counts, one that began later does not', () => {
  assert.equal(verifyVia(question({ via: second(beginning(60_000)).join(',') })).length, 2)
  assert.throws(
    () => verifyVia(question({ via: second(beginning(61_000)).join(',') })),
    /a certificate is not valid yet/,
  )
})
