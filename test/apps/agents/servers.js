// The servers of the app, one for each framework, all with the same answers.
'use strict'
const http = require('node:http')
const express = require('express')
const fastify = require('fastify')
const grpc = require('@grpc/grpc-js')

const host = '127.0.0.1'

/** @param answer makes the answer to a request for `/<client>/<user>`. @returns the port of each server. */
async function startServers(answer) {
  return {
    express: await startExpress(answer),
    fastify: await startFastify(answer),
    http: await startHttp(answer),
    'grpc-js': await startGrpc(answer),
  }
}

function startExpress(answer) {
  const app = express()
  app.get('/:client/:user', async (request, response) => {
    response.json(await answer(request.params.client, request.params.user))
  })
  return listening(app.listen(0, host))
}

async function startFastify(answer) {
  const app = fastify()
  app.get('/:client/:user', (request) => answer(request.params.client, request.params.user))
  await app.listen({ port: 0, host })
  return app.server.address().port
}

function startHttp(answer) {
  const respond = async (request, response) => {
    const [, client, user] = request.url.split('/')
    response.end(JSON.stringify(await answer(client, user)))
  }
  const server = http.createServer((request, response) => void respond(request, response))
  return listening(server.listen(0, host))
}

function startGrpc(answer) {
  const answerMethod = {
    path: '/shop.App/Answer',
    requestStream: false,
    responseStream: false,
    requestDeserialize: String,
    responseSerialize: (value) => Buffer.from(JSON.stringify(value)),
  }
  const server = new grpc.Server()
  server.addService(
    { answer: answerMethod },
    {
      answer: (call, callback) => {
        const [, client, user] = call.request.split('/')
        answer(client, user).then((value) => callback(null, value), callback)
      },
    },
  )
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:0`, grpc.ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    )
  })
}

function listening(server) {
  return new Promise((resolve) => server.once('listening', () => resolve(server.address().port)))
}

module.exports = { startServers }
