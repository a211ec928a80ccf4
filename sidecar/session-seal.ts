// Seals a session under its own handle: whoever does not hold the handle learns nothing of it, and can make none.
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'

const cipher = 'aes-256-gcm'
const ivBytes = 12
const tagBytes = 16

/** Under which a session is kept: tells nothing of its handle. */
export function sessionName(handle: string): string {
  return createHash('sha256').update('onbehalf session name\0').update(handle).digest('hex')
}

/**
 * AES-256-GCM under a key of HKDF-SHA256 (RFC 5869) of the handle, which holds 128 random bits; bound to the service that
 * shares it and to the name under which it is kept.
 */
export function sealSession(handle: string, service: string, text: string): string {
  const iv = randomBytes(ivBytes)
  const sealing = createCipheriv(cipher, keyOf(handle), iv).setAAD(boundTo(handle, service))
  const sealed = [sealing.update(text, 'utf8'), sealing.final()]
  return Buffer.concat([iv, ...sealed, sealing.getAuthTag()]).toString('base64url')
}

/** Undefined for what was not sealed so. */
export function openSession(handle: string, service: string, sealed: string): string | undefined {
  const bytes = Buffer.from(sealed, 'base64url')
  if (bytes.length < ivBytes + tagBytes) return undefined
  const opening = createDecipheriv(cipher, keyOf(handle), bytes.subarray(0, ivBytes), {
    authTagLength: tagBytes,
  })
  opening.setAAD(boundTo(handle, service)).setAuthTag(bytes.subarray(-tagBytes))
  try {
    return opening.update(bytes.subarray(ivBytes, -tagBytes), undefined, 'utf8') + opening.final('utf8')
  } catch {
    return undefined
  }
}

function keyOf(handle: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', handle, '', 'onbehalf session key', 32))
}

function boundTo(handle: string, service: string): Buffer {
  return Buffer.from(JSON.stringify(['onbehalf session', service, sessionName(handle)]))
}
