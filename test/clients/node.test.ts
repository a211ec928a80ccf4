// Node's own fetch, axios and got through the sidecar.
import { testClient } from './matrix.ts'
import { nodeClient } from './node.ts'

testClient(
  nodeClient("Node's fetch", {
    program: 'fetch.ts',
    env: { NODE_USE_ENV_PROXY: '1' },
    cannot: { expect: 'fetch refuses to send Expect' },
    decodes: true,
  }),
)
testClient(
  nodeClient('axios', {
    program: 'axios.ts',
    cannot: { 'keep-alive in a tunnel': 'axios opens a tunnel for each request' },
    decodes: true,
  }),
)
testClient(nodeClient('got', { program: 'got.ts', env: { NODE_USE_ENV_PROXY: '1' }, decodes: true }))
