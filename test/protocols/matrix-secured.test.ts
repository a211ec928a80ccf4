// The same from an app to another service, where the two sidecars speak mutual TLS.
import { testRow } from './matrix-ground.ts'
import { securedWay } from './ways.ts'

for (const client of ['HTTP/1.1', 'h2c'] as const) testRow(client, securedWay)
