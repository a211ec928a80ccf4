// What someone who holds a service account's key can sign with it.
import { createPrivateKey, createPublicKey, randomUUID, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { calculateJwkThumbprint, SignJWT } from 'jose'

export interface Account {
  readonly name: string
  /** An assertion as a sidecar mints it, but for these claims. */
  mint(audience: string, claims?: Readonly<Record<string, unknown>>): Promise<string>
}

const lifetimeSeconds = 60

/** Reads `<name>.pem` and `<name>-key.pem` of the folder. */
export async function loadAccount(folder: string, name: string, issuer: string): Promise<Account> {
  const certificate = new X509Certificate(await readFile(path.join(folder, `${name}.pem`)))
  const key = createPrivateKey(await readFile(path.join(folder, `${name}-key.pem`)))
  const thumbprint = await calculateJwkThumbprint(createPublicKey(key).export({ format: 'jwk' }))
  const header = {
    alg: 'ES256',
    kid: Buffer.from(thumbprint, 'base64url').toString('hex'),
    typ: 'JWT',
    x5c: [certificate.raw.toString('base64')],
  }
  return {
    name,
    mint: (audience, claims = {}) => {
      const issuedAt = Math.floor(Date.now() / 1000)
      const times = { iat: issuedAt, exp: issuedAt + lifetimeSeconds }
      const ids = { iss: issuer, aud: audience, jti: randomUUID(), sub: name, user: name, sid: randomUUID() }
      const minted = { ...ids, ...times, email: '', groups: [], name: '', ...claims }
      return new SignJWT(minted).setProtectedHeader(header).sign(key)
    },
  }
}
