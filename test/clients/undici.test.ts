// undici's request and stream through the sidecar, with each of its proxy agents.
import { testClient } from './matrix.ts'
import { nodeClient } from './node.ts'

for (const api of ['request', 'stream']) {
  for (const agent of ['ProxyAgent', 'EnvHttpProxyAgent']) {
    testClient(
      nodeClient(`undici's ${api} with ${agent}`, {
        program: 'undici.ts',
        args: [api, agent],
        cannot: { expect: 'undici refuses to send Expect' },
        decodes: false,
      }),
    )
  }
}
