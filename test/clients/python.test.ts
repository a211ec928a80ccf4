// Python's http.client and urllib through the sidecar.
import { join } from 'node:path'
import type { Client } from './ask.ts'
import { environment, missingProgram, startProgram } from './child.ts'
import { testClient } from './matrix.ts'

function python(library: string, cannot: Client['cannot']): Client {
  return {
    name: `Python's ${library}`,
    missing: missingProgram('python3'),
    cannot: {
      expect: `${library} does not wait for a go-ahead`,
      ...cannot,
    },
    decodes: false,
    async start({ proxy, caFile }) {
      const env = environment({ http_proxy: proxy, https_proxy: proxy, SSL_CERT_FILE: caFile })
      return startProgram('python3', [join(import.meta.dirname, 'programs/python.py'), library], env)
    },
  }
}

testClient(python('http.client', { redirect: 'http.client follows no redirects' }))
testClient(python('urllib', { 'keep-alive': 'urllib closes the connection after each request' }))
