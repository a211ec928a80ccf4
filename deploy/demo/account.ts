// What someone who holds a service account's key can sign with it.
import { createPrivateKey, createPublicKey, randomUUID, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { calculateJwkThumbprint, SignJWT } from 'jose'

export interface Account {
  readonly name: string
  /** Of its key. */
  readonly keyId: string
  /** Its certificate, as `x5c` has it. */
  readonly x5c: readonly string[]
  /** An assertion as a sidecar mints it, but for these claims; its certificate travels in it. */
  mint(audience: string, claims?: Readonly<Record<string, unknown>>): Promise<string>
  /** The same without the certificate: it has to be found by its `kid`. */
  mintBare(audience: string): Promise<string>
}

const lifetimeSeconds = 60

/** Reads `<name>.pem` and `<name>-key.pem` of the folder. */
export async function loadAccount(folder: string, name: string, issuer: string): Promise<Account> {
  const certificate = new X509Certificate(await readFile(path.join(folder, `${name}.pem`)))
  const key = createPrivateKey(await readFile(path.join(folder, `${name}-key.pem`)))
  const thumbprint = await calculateJwkThumbprint(createPublicKey(key).export({ format: 'jwk' }))
  const keyId = Buffer.from(thumbprint, 'base64url').toString('hex')
  const bare = { alg: 'ES256', kid: keyId, typ: 'JWT' }
  const x5c = [certificate.raw.toString('base64')]
  const mint = (
    audience: string,
    header: typeof bare & { x5c?: string[] },
    claims: Readonly<Record<string, unknown>> = {},
  ) => {
    const issuedAt = Math.floor(Date.now() / 1000)
    const times = { iat: issuedAt, exp: issuedAt + lifetimeSeconds }
    const ids = { iss: issuer, aud: audience, jti: randomUUID(), sub: name, user: name, sid: randomUUID() }
    const minted = { ...ids, ...times, email: '', groups: [], name: '', ...claims }
    return new SignJWT(minted).setProtectedHeader(header).sign(key)
  }
  return {
    name,
    keyId,
    x5c,
    mint: (audience, claims) => mint(audience, { ...bare, x5c }, claims),
    mintBare: (audience) => mint(audience, bare),
  }
}
