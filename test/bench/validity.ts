// Whether a contender does what it is measured for: lets the good assertion in, and refuses bad ones.
import { generateKeyPairSync } from 'node:crypto'
import { exchange } from '../../deploy/demo/exchange.ts'
import { forge } from '../../deploy/demo/forge.ts'
import { assertionClaims } from '../../deploy/demo/pomerium-assertion.ts'
import { identityHeader, type Bed } from './bed.ts'
import type { Contender } from './contenders/contender.ts'
import { host, sessionOf } from './users.ts'

/** @throws Error that says which request it answered wrongly */
export async function checkValidity(contender: Contender, bed: Bed): Promise<void> {
  const started = await contender.start(bed)
  try {
    await checkGood(contender, bed, started.port)
    if (contender.verifies) await checkBad(contender, bed, started.port)
  } finally {
    await started.stop()
  }
}

async function checkGood(contender: Contender, bed: Bed, port: number): Promise<void> {
  const { claims, sign } = signer(bed)
  const { status, body } = await ask(port, sign(claims))
  if (status !== 200) throw new Error(`${contender.name} answered ${status} to a good assertion:\n${body}`)
  if (contender.verifies && body !== claims['email'])
    throw new Error(
      `${contender.name} set ${identityHeader} to ${JSON.stringify(body)}, which is not the claim`,
    )
}

async function checkBad(contender: Contender, bed: Bed, port: number): Promise<void> {
  for (const [what, token] of Object.entries(badTokens(bed))) {
    const { status } = await ask(port, token)
    if (status !== 401 && status !== 403)
      throw new Error(`${contender.name} answered ${status} to an assertion ${what}: it does not verify`)
  }
}

function badTokens(bed: Bed): Readonly<Record<string, string>> {
  const { claims, sign } = signer(bed)
  const good = sign(claims)
  const [header, , signature] = good.split('.') as [string, string, string]
  const otherClaims = sign({ ...claims, email: 'mallory@elsewhere.com' }).split('.')[1] as string
  const nowSeconds = Math.floor(Date.now() / 1000)
  const strangerKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  return {
    'with other claims under its signature': `${header}.${otherClaims}.${signature}`,
    'signed by another key': forge({
      header: { alg: 'ES256', kid: bed.key.kid, typ: 'JWT' },
      payload: claims,
      key: strangerKey,
    }),
    'without a signature': forge({ header: { alg: 'none', typ: 'JWT' }, payload: claims }),
    'for another host': sign({
      ...claims,
      iss: 'api.localhost.pomerium.io',
      aud: 'api.localhost.pomerium.io',
    }),
    'of another issuer': sign({ ...claims, iss: 'elsewhere.example.com' }),
    'that has expired': sign({ ...claims, iat: nowSeconds - 3_600, exp: nowSeconds - 3_300 }),
    'that is none': 'not-a-token',
  }
}

function signer({ key }: Bed) {
  const claims = assertionClaims(sessionOf(0), host, { issuer: 'hostOnly', furtherClaims: [] }, Date.now())
  const sign = (payload: Readonly<Record<string, unknown>>) =>
    forge({ header: { alg: 'ES256', kid: key.kid, typ: 'JWT' }, payload, key: key.privateKey })
  return { claims, sign }
}

/** Asks with an identity header of the client's own, which a verifying contender must replace. */
function ask(port: number, token: string) {
  const headers = [
    ['Host', host],
    ['X-Pomerium-Jwt-Assertion', token],
    [identityHeader, 'mallory@elsewhere.com'],
  ] as const
  return exchange({ port, target: '/whoami', headers })
}
