// What an attacker would try at the sidecars, and how each attempt has to end.
import { generateSigningKey } from './pomerium-keys.ts'
import type { Account } from './account.ts'
import type { Answer } from './exchange.ts'
import type { Pomerium } from './pomerium.ts'
import { assertion, callThrough, originalUser, outcome, present } from './present.ts'
import type { Service, ServiceName } from './topology.ts'

export interface Attack {
  readonly title: string
  /** The sidecar that has to withstand it. */
  readonly at: ServiceName
  /** The status and the refusal's code, of each request where there are several. */
  readonly expected: string
  readonly attempt: () => Promise<string>
}

export interface Battlefield {
  readonly pomerium: Pomerium
  readonly services: Readonly<Record<ServiceName, Service>>
  readonly apiAccess: Account
  readonly ledgerAccess: Account
  /** Of the same name as `apiAccess`, certified by someone else. */
  readonly foreignApiAccess: Account
  /** `host:port` of a server that no route names. */
  readonly strangerHost: string
}

export function listAttacks(field: Battlefield): Attack[] {
  return [...attacksWithForgedTokens(field), ...attacksWithGoodTokens(field), ...attacksFromInside(field)]
}

function attacksWithForgedTokens({ pomerium, services: { App } }: Battlefield): Attack[] {
  const { host } = App
  const claims = () => pomerium.claims('alice', host)
  const atApp = (title: string, code: string, token: () => Promise<string>): Attack => ({
    title,
    at: 'App',
    expected: `401 ${code}`,
    attempt: async () => outcome(await present(App, [assertion, await token()])),
  })
  return [
    {
      title: 'no assertion',
      at: 'App',
      expected: '401 assertion_missing',
      attempt: async () => outcome(await present(App)),
    },
    atApp('signed by another key under the right kid', 'assertion_signature', async () =>
      pomerium.sign(claims(), { key: (await generateSigningKey('ES256')).privateKey }),
    ),
    atApp('a kid that nobody published', 'assertion_key_unknown', () =>
      pomerium.sign(claims(), { header: { kid: '0'.repeat(64) } }),
    ),
    atApp('expired ten minutes ago', 'assertion_expired', () => {
      const now = Math.floor(Date.now() / 1000)
      return pomerium.sign({ ...claims(), iat: now - 900, exp: now - 600 })
    }),
    atApp('an issuer that the mesh does not know', 'assertion_issuer', () =>
      pomerium.sign({ ...claims(), iss: 'pomerium.elsewhere.com' }),
    ),
    atApp('alg: none, no signature', 'assertion_algorithm', () =>
      pomerium.sign(claims(), { header: { alg: 'none' } }),
    ),
    atApp('HS256 with the public key as the secret', 'assertion_algorithm', () => {
      const secret = pomerium.signingKey().publicKey.export({ type: 'spki', format: 'pem' })
      return pomerium.sign(claims(), { header: { alg: 'HS256' }, key: Buffer.from(secret) })
    }),
  ]
}

function attacksWithGoodTokens({ pomerium, services }: Battlefield): Attack[] {
  const { App, API, Ledger } = services
  const alice = () => pomerium.assertion('alice', App.host)
  return [
    {
      title: 'an assertion for App',
      at: 'Ledger',
      expected: '401 assertion_audience',
      attempt: async () => outcome(await present(Ledger, [assertion, await alice()])),
    },
    {
      title: 'a token that was good at App, taken to API',
      at: 'API',
      expected: '200, then 401 assertion_audience',
      attempt: async () => {
        const token = await alice()
        return outcome(await present(App, [assertion, token]), await present(API, [assertion, token]))
      },
    },
    {
      title: 'the same assertion twice',
      at: 'App',
      expected: '200, then 401 assertion_reused',
      attempt: async () => {
        const token = await alice()
        return outcome(await present(App, [assertion, token]), await present(App, [assertion, token]))
      },
    },
    {
      title: 'two assertions in one request',
      at: 'App',
      expected: '400 request_ambiguous',
      attempt: async () =>
        outcome(
          await present(
            App,
            [assertion, await alice()],
            [assertion, await pomerium.assertion('bob', App.host)],
          ),
        ),
    },
    {
      title: 'an assertion under the name x_pomerium_jwt_assertion',
      at: 'App',
      expected: '401 assertion_missing',
      attempt: async () => outcome(await present(App, ['x_pomerium_jwt_assertion', await alice()])),
    },
    {
      title: 'a user who sends -For, to act for another',
      at: 'App',
      expected: '403 original_user_not_allowed',
      attempt: async () => {
        const bob = await pomerium.assertion('bob', App.host)
        return outcome(await present(App, [assertion, await alice()], [originalUser, bob]))
      },
    },
    {
      title: 'a user whom the policy does not allow',
      at: 'App',
      expected: '403 policy_denied',
      attempt: async () =>
        outcome(await present(App, [assertion, await pomerium.assertion('mallory', App.host)])),
    },
  ]
}

function attacksFromInside(field: Battlefield): Attack[] {
  const { pomerium, apiAccess, ledgerAccess, foreignApiAccess, strangerHost } = field
  const { App, API, Ledger } = field.services
  return [
    {
      title: 'a service account that writes an e-mail address into its assertion',
      at: 'API',
      expected: '401 assertion_malformed',
      attempt: async () => {
        const token = await apiAccess.mint(API.host, { email: 'alice@companydomain.com' })
        return outcome(await present(API, [assertion, token]))
      },
    },
    {
      title: 'a service account certified by another CA',
      at: 'API',
      expected: '401 assertion_key_unknown',
      attempt: async () => outcome(await present(API, [assertion, await foreignApiAccess.mint(API.host)])),
    },
    {
      title: 'a service account without a user',
      at: 'Ledger',
      expected: '403 original_user_required',
      attempt: async () => outcome(await present(Ledger, [assertion, await ledgerAccess.mint(Ledger.host)])),
    },
    {
      title: 'a service account with the token of a user whose request never came its way',
      at: 'Ledger',
      expected: '403 evidence_missing',
      attempt: async () => {
        const token = await ledgerAccess.mint(Ledger.host)
        const alice = await pomerium.assertion('alice', App.host)
        return outcome(await present(Ledger, [assertion, token], [originalUser, alice]))
      },
    },
    {
      title: 'an app that names a user who never came in',
      at: 'API',
      expected: '403 original_user_lost',
      attempt: async () =>
        outcome(
          await callThrough(API, Ledger.host, [assertion, await pomerium.assertion('alice', API.host)]),
        ),
    },
    {
      title: 'an app that sends its identity to a host without a route',
      at: 'App',
      expected: '200, no identity received',
      attempt: async () => {
        const token = await pomerium.assertion('alice', App.host)
        const identity = [assertion, originalUser, 'x_pomerium_jwt_assertion', 'X-Onbehalf-Handle']
        const sent = identity.map((name) => [name, token] as const)
        return received(await callThrough(App, strangerHost, ...sent))
      },
    },
  ]
}

function received(answer: Answer): string {
  if (answer.status !== 200) return outcome(answer)
  const names = JSON.parse(answer.body) as string[]
  return `200, ${names.length === 0 ? 'no identity' : names.join(' ')} received`
}
