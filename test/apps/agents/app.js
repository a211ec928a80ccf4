// An app as a team would write it: it answers each request by a call to the API. It knows nothing of identity or tracing.
'use strict'
const { setTimeout } = require('node:timers/promises')
const { callApi } = require('./clients.js')
const { startServers } = require('./servers.js')

/** Each request waits its own while, so that calls do not leave in the order in which requests came. */
async function answer(client, user) {
  await setTimeout(Math.random() * 10)
  return callApi[client](user)
}

async function main() {
  process.stdout.write(`${JSON.stringify(await startServers(answer))}\n`)
}

void main()
