// Every version of HTTP that a client may speak to a service, to every version that its app may.
import { testRow } from './matrix-ground.ts'
import { versions } from './peers.ts'

for (const client of versions) testRow(client, 'to the app')
