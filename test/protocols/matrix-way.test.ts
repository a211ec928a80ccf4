// Every version of HTTP that an app may speak to its sidecar, to every version that the app of another service may.
import { testRow } from './matrix-ground.ts'

for (const client of ['HTTP/1.1', 'h2c'] as const) testRow(client, 'from an app to another service')
