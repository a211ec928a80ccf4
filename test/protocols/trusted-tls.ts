// A certificate for localhost that this process trusts, as a system's administrator would see to.
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { certifyLocalhost, type LocalhostTls } from '../support/localhost-tls.ts'

let outside: Promise<LocalhostTls> | undefined

/** One authority for the whole process, which trusts it from then on. */
export async function trustedTls(): Promise<LocalhostTls> {
  outside ??= certifyLocalhost().then((made) => {
    setDefaultCACertificates([...getCACertificates('default'), made.caPem])
    return made
  })
  return outside
}
