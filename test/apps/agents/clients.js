// The app's ways to call the API: each library as its documentation shows it.
'use strict'
const http = require('node:http')
const { createRequire } = require('node:module')
const { text } = require('node:stream/consumers')
const axios = require('axios')
const grpc = require('@grpc/grpc-js')

const api = process.env.API_URL
const got = import('got')
const saturated = new http.Agent({ keepAlive: true, maxSockets: 2 })
const grpcApi = createGrpcClient(process.env.API_GRPC)

/** What the app tells its own caller: how the API answered. */
const told = (status, code = '') => ({ status, code: code ?? '' })
const errorHeader = 'x-onbehalf-error'

async function byFetch(user) {
  const response = await fetch(`${api}/${user}`)
  await response.text()
  return told(response.status, response.headers.get(errorHeader))
}

function byHttp(agent) {
  return (user) =>
    new Promise((resolve, reject) => {
      const request = http.get(`${api}/${user}`, { agent }, (response) => {
        text(response).then(() => resolve(told(response.statusCode, response.headers[errorHeader])), reject)
      })
      request.on('error', reject)
    })
}

async function byAxios(user) {
  const { status, headers } = await axios.get(`${api}/${user}`, { validateStatus: null })
  return told(status, headers[errorHeader])
}

async function byGot(user) {
  const { default: send } = await got
  const { statusCode, headers } = await send(`${api}/${user}`, {
    throwHttpErrors: false,
    retry: { limit: 0 },
  })
  return told(statusCode, headers[errorHeader])
}

function byUndici(request) {
  return async (user) => {
    const { statusCode, headers, body } = await request(user)
    await body.dump()
    return told(statusCode, headers[errorHeader])
  }
}

/** Each version lies in a folder under its own name, since agents know a package by its folder's. */
function undiciClients(version) {
  const undici = createRequire(process.env[`UNDICI_${version}`])('undici')
  const pool = new undici.Pool(api, { connections: 2 })
  return {
    [`undici-${version}`]: byUndici((user) => undici.request(`${api}/${user}`)),
    [`undici-${version}-saturated`]: byUndici((user) => pool.request({ method: 'GET', path: `/${user}` })),
  }
}

function createGrpcClient(target) {
  const callMethod = {
    path: '/shop.Api/Call',
    requestStream: false,
    responseStream: false,
    requestSerialize: (user) => Buffer.from(user),
    responseDeserialize: String,
  }
  const Client = grpc.makeGenericClientConstructor({ call: callMethod })
  return new Client(target, grpc.credentials.createInsecure())
}

function byGrpc(user) {
  return new Promise((resolve, reject) => {
    grpcApi.call(user, (error) => (error ? reject(error) : resolve(told(200))))
  })
}

module.exports = {
  callApi: {
    fetch: byFetch,
    'http.request': byHttp(),
    'http.request-saturated': byHttp(saturated),
    axios: byAxios,
    got: byGot,
    ...undiciClients(6),
    ...undiciClients(7),
    ...undiciClients(8),
    'grpc-js': byGrpc,
  },
}
