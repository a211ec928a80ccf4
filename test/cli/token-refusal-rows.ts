// Tokens that are refused, one for each reason: what they are, and what `onbehalf token verify` is to say of them.
import { generateSigningKey } from '../../deploy/demo/pomerium-keys.ts'
import { keyThumbprint } from '../../shared/certificate/thumbprint.ts'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { forge } from '../../deploy/demo/forge.ts'
import { linkByHand } from '../support/links.ts'
import { hosts, meshIssuer, x5cOf, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { withBrokenSignature } from '../support/tokens.ts'

type Claims = Readonly<Record<string, unknown>>

export interface Row {
  readonly code: string
  readonly because: string
  /** Default: App. */
  readonly service?: 'App' | 'API'
  readonly mesh?: MeshOptions
  readonly path?: string
  readonly token: (mesh: TestMesh) => Promise<string>
  readonly tokenFor?: (mesh: TestMesh) => Promise<string>
  readonly via?: (mesh: TestMesh) => Promise<string>
  /** The check that is said to have failed. */
  readonly check: string
  /** What the explanation must say. */
  readonly says: RegExp
}

const nowSeconds = () => Math.floor(Date.now() / 1000)

const alice =
  (changes: Claims = {}, host: string = hosts.App) =>
  (mesh: TestMesh) =>
    mesh.pomerium.sign({ ...mesh.pomerium.claims('alice', host), ...changes })
const aliceBy =
  (header: Claims, changes: Claims = {}) =>
  (mesh: TestMesh) =>
    mesh.pomerium.sign({ ...mesh.pomerium.claims('alice', hosts.App), ...changes }, { header })
const aliceByAnotherKey = async (mesh: TestMesh) => {
  const { kid, privateKey } = await generateSigningKey('ES256')
  return mesh.pomerium.sign(mesh.pomerium.claims('alice', hosts.App), { header: { kid }, key: privateKey })
}
const broken = (make: (mesh: TestMesh) => Promise<string>) => async (mesh: TestMesh) =>
  withBrokenSignature(await make(mesh))
const signedByHmac = (mesh: TestMesh) =>
  mesh.pomerium.serviceAccountToken({ id: 'account-1', user: 'alice-id' })
const account = async (mesh: TestMesh) => (await mesh.minter('api-access')).assertionFor(hosts.API)

/** An assertion for API under the real certificate of an account, but for `changes`. */
const mintedWith =
  (changes: Claims, header: Claims = {}, certifiedAs = 'api-access') =>
  async (mesh: TestMesh) => {
    const certified = await mesh.certified(certifiedAs)
    const key = createPrivateKey(certified.keyPem)
    const kid = keyThumbprint(createPublicKey(key))
    const claims = {
      iss: meshIssuer,
      sub: 'api-access',
      user: 'api-access',
      aud: hosts.API,
      iat: nowSeconds(),
      exp: nowSeconds() + 60,
    }
    return forge({
      header: { alg: 'ES256', kid, typ: 'JWT', x5c: x5cOf(certified), ...header },
      payload: { ...claims, ...changes },
      key,
    })
  }

const assertionRows: readonly Row[] = [
  {
    code: 'assertion_malformed',
    because: 'it has two parts',
    token: async () => 'YQ.YQ',
    check: 'assertion form',
    says: /it has 2 parts; a JWT has three/,
  },
  {
    code: 'assertion_malformed',
    because: "it is a Pomerium service account's own token",
    token: signedByHmac,
    check: 'assertion form',
    says: /Pomerium service account's own token.*send it to Pomerium, in X-Pomerium-Authorization/,
  },
  {
    code: 'assertion_malformed',
    because: 'aud is a list',
    token: alice({ aud: [hosts.App] }),
    check: 'assertion form',
    says: /aud is not a string/,
  },
  {
    code: 'assertion_algorithm',
    because: 'it is not signed',
    token: aliceBy({ alg: 'none' }),
    check: 'assertion algorithm',
    says: /alg is "none".*one of ES256/,
  },
  {
    code: 'assertion_algorithm',
    because: 'its issuer does not list the algorithm',
    mesh: { issuer: { algorithms: ['RS256'] } },
    token: alice(),
    check: 'assertion algorithm listed',
    says: /alg is "ES256".*pomerium: RS256.*issuers\[\]\.algorithms/,
  },
  {
    code: 'assertion_issuer',
    because: 'iss is of the other form',
    token: alice({ iss: `https://${hosts.App}/` }),
    check: 'assertion issuer',
    says: /iss is "https:.*add uri to issuers/,
  },
  {
    code: 'assertion_issuer',
    because: 'iss is nobody',
    token: alice({ iss: 'elsewhere.example.com' }),
    check: 'assertion issuer',
    says: /iss is "elsewhere\.example\.com".*pomerium: .*accounts: mesh\.companydomain\.com/,
  },
  {
    code: 'assertion_key_unknown',
    because: 'its issuer publishes no such key',
    token: aliceByAnotherKey,
    check: 'assertion key',
    says: /kid is .*pomerium publishes .*another installation/,
  },
  {
    code: 'assertion_key_unknown',
    because: 'the key of its kid is for another algorithm',
    token: aliceBy({ alg: 'RS256' }, {}),
    check: 'assertion key',
    says: /the key of this kid is not for "RS256"/,
  },
  {
    code: 'assertion_signature',
    because: 'it was changed',
    token: broken(alice()),
    check: 'assertion signature',
    says: /not by the key .*a character lost in copying/,
  },
  {
    code: 'assertion_audience',
    because: 'it is for another service',
    token: alice({}, hosts.Ledger),
    check: 'assertion audience',
    says: /the host of route Ledger \(service Ledger\).*app\.localhost\.pomerium\.io \(hosts of service App\)/,
  },
  {
    code: 'assertion_audience',
    because: 'it is for an URL',
    mesh: { issuer: { issuer: ['always'] } },
    token: alice({ iss: 'always', aud: `https://${hosts.App}` }),
    check: 'assertion audience',
    says: /the host of no route in this mesh file.*a bare host/,
  },
  {
    code: 'assertion_audience',
    because: 'it is for an alias',
    mesh: { issuer: { issuer: ['always'] }, routes: { App: { aliases: ['app'] } } },
    token: alice({ iss: 'always', aud: 'app' }),
    check: 'assertion audience',
    says: /is an alias of route App/,
  },
  {
    code: 'assertion_expired',
    because: 'it is old',
    token: alice({ iat: nowSeconds() - 480, exp: nowSeconds() - 180 }),
    check: 'assertion expiry',
    says: /expired \d+ min ago.*get a fresh one/,
  },
  {
    code: 'assertion_not_yet_valid',
    because: 'it is from the future',
    token: alice({ iat: nowSeconds() + 900, exp: nowSeconds() + 1200 }),
    check: 'assertion start',
    says: /issued \d+ min in the future.*compare the clocks/,
  },
  {
    code: 'assertion_not_from_edge',
    because: 'it comes from elsewhere',
    mesh: { issuer: { edges: { source_ip: ['10.0.0.0/8'] } } },
    token: alice(),
    check: 'request edge',
    says: /comes from 127\.0\.0\.1.*10\.0\.0\.0\/8 \(edges of issuer pomerium\).*--from/,
  },
  {
    code: 'assertion_anonymous',
    because: 'it is about nobody',
    token: (mesh) => mesh.pomerium.assertion(undefined, hosts.App),
    check: 'request policy',
    says: /sub is empty/,
  },
  {
    code: 'policy_denied',
    because: 'no rule admits the user',
    token: (mesh) => mesh.pomerium.assertion('mallory', hosts.App),
    check: 'request policy',
    says: /no allow rule matched.*policy of route App/,
  },
  {
    code: 'policy_denied',
    because: 'a rule denies the user',
    mesh: {
      routes: {
        App: { policy: [{ allow: { or: [{ accept: true }] } }, { deny: { or: [{ user: 'alice-id' }] } }] },
      },
    },
    token: alice(),
    check: 'request policy',
    says: /deny\[1\]\.or user matched.*no deny rule that matches/,
  },
  {
    code: 'route_not_found',
    because: 'no route takes the path',
    mesh: { routes: { App: { prefix: '/only/' } } },
    path: '/elsewhere',
    token: alice(),
    check: 'request route',
    says: /the path "\/elsewhere".*a path of App.*--path/,
  },
  {
    code: 'request_ambiguous',
    because: 'the path can be read in two ways',
    mesh: { routes: { App: { prefix: '/only/' } } },
    path: '/only/../elsewhere',
    token: alice(),
    check: 'request route',
    says: /can be read in two ways/,
  },
  {
    code: 'headers_too_large',
    because: 'limits.header_bytes is smaller than the token',
    mesh: { settings: { limits: { header_bytes: 8192 } } },
    token: alice({ groups: Array.from({ length: 1000 }, (_, i) => `group-${i}`) }),
    check: '',
    says: /these headers take \d+ bytes, limits\.header_bytes is 8192/,
  },
]

const mintedRows: readonly Row[] = [
  {
    code: 'assertion_malformed',
    because: 'an account says more than who it is',
    token: mintedWith({ email: 'root@companydomain.com' }),
    check: 'assertion content',
    says: /one that is not empty/,
  },
  {
    code: 'assertion_algorithm',
    because: 'an account signs with another algorithm',
    token: mintedWith({}, { alg: 'ES384' }),
    check: 'assertion algorithm',
    says: /alg is "ES384".*ES256/,
  },
  {
    code: 'assertion_key_unknown',
    because: 'it has no certificate',
    token: mintedWith({}, { x5c: undefined }),
    check: 'assertion certificate',
    says: /no certificate \(x5c\).*spiffe:\/\/mesh\.companydomain\.com\/api-access/,
  },
  {
    code: 'assertion_key_unknown',
    because: "it has another account's certificate",
    token: mintedWith({}, {}, 'ledger-access'),
    check: 'assertion certificate',
    says: /sub is "api-access", with a certificate of spiffe:\/\/mesh\.companydomain\.com\/ledger-access, expires in/,
  },
  {
    code: 'assertion_key_unknown',
    because: 'no route has its account',
    token: mintedWith({ sub: 'stranger', user: 'stranger' }, {}, 'stranger'),
    check: 'assertion certificate',
    says: /an account which the mesh file does not know/,
  },
  {
    code: 'assertion_signature',
    because: 'a minted one was changed',
    token: broken(account),
    check: 'assertion signature',
    says: /not by the certificate in x5c/,
  },
  {
    code: 'assertion_expired',
    because: 'a minted one is older than a minute, whatever its exp says',
    token: mintedWith({ iat: nowSeconds() - 300, exp: nowSeconds() + 3600 }),
    check: 'assertion expiry',
    says: /counts for 60 s after iat/,
  },
]

const forRows: readonly Row[] = [
  {
    code: 'original_user_malformed',
    because: 'the -For is cut off',
    tokenFor: async (mesh) => (await alice()(mesh)).split('.', 2).join('.'),
    check: 'original_user form',
    says: /it has 2 parts/,
    token: account,
  },
  {
    code: 'original_user_algorithm',
    because: 'the -For is not signed',
    tokenFor: aliceBy({ alg: 'none' }),
    check: 'original_user algorithm',
    says: /alg is "none"/,
    token: account,
  },
  {
    code: 'original_user_issuer',
    because: 'nobody signs so',
    tokenFor: alice({ iss: 'elsewhere.example.com' }),
    check: 'original_user issuer',
    says: /elsewhere/,
    token: account,
  },
  {
    code: 'original_user_key_unknown',
    because: 'its issuer publishes no such key',
    tokenFor: aliceByAnotherKey,
    check: 'original_user key',
    says: /pomerium publishes/,
    token: account,
  },
  {
    code: 'original_user_signature',
    because: 'the -For was changed',
    tokenFor: broken(alice()),
    check: 'original_user signature',
    says: /not by the key/,
    token: account,
  },
  {
    code: 'original_user_audience',
    because: 'the user came in by a route that is not accepted',
    mesh: { routes: { API: { accept_for: ['App'] } } },
    tokenFor: alice({}, hosts.Ledger),
    check: 'original_user audience',
    says: /route Ledger.*app\.localhost\.pomerium\.io \(accept_for of route API\)/,
    token: account,
  },
  {
    code: 'original_user_expired',
    because: 'the user has been gone for long',
    tokenFor: alice({ iat: nowSeconds() - 480, exp: nowSeconds() - 180 }),
    check: 'original_user expiry',
    says: /expired \d+ min ago/,
    token: account,
  },
  {
    code: 'original_user_not_yet_valid',
    because: 'the user comes from the future',
    tokenFor: alice({ iat: nowSeconds() + 900, exp: nowSeconds() + 1200 }),
    check: 'original_user start',
    says: /in the future/,
    token: account,
  },
  {
    code: 'original_user_not_allowed',
    because: 'a user calls on behalf of another',
    service: 'App',
    token: alice(),
    tokenFor: alice(),
    check: 'request -For allowed',
    says: /the caller is a user.*issuers\[\]\.service_accounts/,
  },
  {
    code: 'original_user_not_allowed',
    because: 'the route takes no original user',
    mesh: { routes: { API: { original_user: 'none' } } },
    token: account,
    tokenFor: alice(),
    check: 'request -For allowed',
    says: /route API has original_user: none/,
  },
  {
    code: 'original_user_not_allowed',
    because: 'the -For is about an account',
    token: account,
    tokenFor: account,
    check: 'request -For about a user',
    says: /about a service account/,
  },
  {
    code: 'evidence_missing',
    because: 'the call brings no evidence',
    token: account,
    tokenFor: alice(),
    check: 'request evidence',
    says: /no x-onbehalf-via.*--via/,
  },
  {
    code: 'evidence_invalid',
    because: 'the links are for another user',
    token: account,
    tokenFor: alice(),
    via: async (mesh) =>
      linkByHand(mesh, { account: 'api-access', to: 'API', token: await alice({ sub: 'bob' })(mesh) }),
    check: 'request evidence',
    says: /link 1: it was made for another user token.*verify-chain/,
  },
  {
    code: 'original_user_required',
    because: 'the route wants a user',
    mesh: { routes: { API: { original_user: 'required' } } },
    token: account,
    check: 'request original user present',
    says: /no X-Pomerium-Jwt-Assertion-For.*--for/,
  },
]

export const refusalRows: readonly Row[] = [
  ...assertionRows,
  ...[...mintedRows, ...forRows].map((row): Row => ({ service: 'API', ...row })),
]
