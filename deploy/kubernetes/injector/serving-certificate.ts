// The certificate under which the webhook serves: out of files that somebody renews, such as cert-manager.
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { FileWatch } from '../../../sidecar/file-watch.ts'
import type { Log } from '../../../sidecar/telemetry/log.ts'

/** In PEM. The key is a secret. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

export interface ServingCertificate {
  /** Undefined until there is one. */
  current(): KeyPair | undefined
  /** Called when it is another one from now on. */
  onChange(listener: () => void): void
  /** Why it is not of use yet, beside its time; undefined when it is. */
  waitingFor(): string | undefined
  /** How often since the last time that all was well it could not be renewed, or looked at. */
  failedRenewals(): number
  close(): Promise<void>
}

/** @throws {Error} the files are not a certificate and its key, in words. */
export async function certificateFromFiles(
  certFile: string,
  keyFile: string,
  log: Log,
): Promise<ServingCertificate> {
  const startedMs = Date.now()
  let pair = await readPair(certFile, keyFile)
  let listener: (() => void) | undefined
  let failures = 0
  const renew = async () => {
    try {
      const read = await readPair(certFile, keyFile)
      failures = 0
      if (read.cert === pair.cert) return
      pair = read
      listener?.()
      log.write('info', 'serving certificate in effect', describePair(pair))
    } catch (error) {
      // Half of a renewal: the other half makes another change.
      failures++
      log.write('error', 'the serving certificate cannot be used; the last one is kept', {
        cause: (error as Error).message,
      })
    }
  }
  const watch = new FileWatch(() => [certFile, keyFile], renew)
  await watch.start(startedMs)
  return {
    current: () => pair,
    onChange: (told) => (listener = told),
    waitingFor: () => undefined,
    failedRenewals: () => failures,
    async close() {
      watch.close()
    },
  }
}

export function describePair({ cert }: KeyPair): { readonly not_after: string } {
  return { not_after: new Date(notAfterMs(cert)).toISOString() }
}

async function readPair(certFile: string, keyFile: string): Promise<KeyPair> {
  // One after the other, so that of two faults it is always the same one that is told.
  const cert = await readText(certFile)
  const key = await readText(keyFile)
  try {
    checkPair({ cert, key })
  } catch (error) {
    throw new Error(`${certFile}, ${keyFile}: ${(error as Error).message}`, { cause: error })
  }
  return { cert, key }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
    throw new Error(`cannot read ${file}: ${code}`, { cause: error })
  }
}

/** @throws {Error} they do not belong together. Nothing of the key is in its words. */
export function checkPair({ cert, key }: KeyPair): void {
  const certificate = parse(() => new X509Certificate(cert), 'the certificate is no PEM certificate')
  const privateKey = parse(() => createPrivateKey(key), 'the key is no PEM private key')
  if (!certificate.checkPrivateKey(privateKey)) throw new Error('the key is not that of the certificate')
  // The certificates that follow count, too, and whether the key is long enough.
  parse(() => createSecureContext({ cert, key }), 'the certificates and the key are none to serve by')
}

function parse<T>(make: () => T, otherwise: string): T {
  try {
    return make()
  } catch {
    throw new Error(otherwise)
  }
}

/** Milliseconds since the epoch. */
export function notAfterMs(cert: string): number {
  return new X509Certificate(cert).validToDate.getTime()
}
