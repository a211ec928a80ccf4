// What is not to be: a correlator with one place for all requests, in which the last one wins.
const http = require('node:http')

let last
const emit = http.Server.prototype.emit
http.Server.prototype.emit = function (event, request, ...rest) {
  if (event === 'request') last = request.headers['x-onbehalf-handle'] ?? last
  return emit.call(this, event, request, ...rest)
}

const { fetch, Headers } = globalThis
globalThis.fetch = (url, init) => {
  const headers = new Headers(init?.headers)
  headers.set('x-onbehalf-handle', last)
  return fetch(url, { ...init, headers })
}

const { get } = http
http.get = (url, options, callback) =>
  get(url, { ...options, headers: { ...options.headers, 'x-onbehalf-handle': last } }, callback)
require('node:module').syncBuiltinESMExports()
