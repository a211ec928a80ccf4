// The certificate under which the webhook serves: out of files that somebody renews, such as cert-manager.
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { FileWatch } from '../../../sidecar/file-watch.ts'
import type { Log } from '../../../sidecar/telemetry/log.ts'

export interface KeyPair {
  readonly cert: string
  readonly key: string
}

export interface ServingCertificate {
  current(): KeyPair
  /** Milliseconds since the epoch. */
  notAfterMs(): number
  /** Called when it is another one from now on. */
  onChange(listener: () => void): void
  /** Why it cannot be used yet; undefined when it can. */
  waitingFor(): string | undefined
  close(): void
}

/** @throws {Error} the files are not a certificate and its key. */
export async function certificateFromFiles(cert: string, key: string, log: Log): Promise<ServingCertificate> {
  let pair = await readPair(cert, key)
  let listener: (() => void) | undefined
  const watch = new FileWatch(
    () => [cert, key],
    async () => {
      try {
        pair = await readPair(cert, key)
        listener?.()
        log.write('info', 'serving certificate renewed', {
          not_after: new Date(notAfterMs(pair.cert)).toISOString(),
        })
      } catch (error) {
        // Half of a renewal: the other half makes another change.
        log.write('error', 'the serving certificate cannot be used; the last one is kept', {
          error: (error as Error).message,
        })
      }
    },
  )
  await watch.start()
  return {
    current: () => pair,
    notAfterMs: () => notAfterMs(pair.cert),
    onChange: (told) => (listener = told),
    waitingFor: () => undefined,
    close: () => watch.close(),
  }
}

async function readPair(certFile: string, keyFile: string): Promise<KeyPair> {
  const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')])
  checkPair({ cert, key })
  return { cert, key }
}

/** @throws {Error} they do not belong together. Nothing of the key is in its words. */
export function checkPair({ cert, key }: KeyPair): void {
  const certificate = parse(() => new X509Certificate(cert), 'the certificate is no PEM certificate')
  const privateKey = parse(() => createPrivateKey(key), 'the key is no PEM private key')
  if (!certificate.checkPrivateKey(privateKey)) throw new Error('the key is not that of the certificate')
}

function parse<T>(read: () => T, otherwise: string): T {
  try {
    return read()
  } catch {
    throw new Error(otherwise)
  }
}

export function notAfterMs(cert: string): number {
  return new X509Certificate(cert).validToDate.getTime()
}
