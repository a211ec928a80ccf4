// An app in CommonJS: every server and client of the matrix, each package required.
'use strict'
const http = require('node:http')
const { createClients, createWork } = require('./clients.cjs')
const { startServers } = require('./servers.cjs')

const [major, minor] = process.versions.node.split('.').map(Number)
const packages = {
  express: require('express'),
  fastify: require('fastify'),
  grpc: require('@grpc/grpc-js'),
  axios: require('axios'),
  undici6: require('undici6'),
  ...(major >= 20 ? { undici7: require('undici7') } : {}),
  ...(major > 22 || (major === 22 && minor >= 19)
    ? { undici8: require('undici8'), got: require('got').default }
    : {}),
}
const { UPSTREAM: upstream, GRPC_UPSTREAM: grpcUpstream } = process.env
const clients = createClients({ packages, http, upstream, grpcUpstream })
const work = createWork(clients, { http, upstream })
void startServers({ packages, work }).then((ports) => {
  console.log(JSON.stringify({ ports, clients: Object.keys(clients) }))
})
