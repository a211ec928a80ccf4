// What is not to be: a correlator with one place for all requests, in which the last one wins.
const { subscribe } = require('node:diagnostics_channel')

const name = 'x-onbehalf-handle'
let last

subscribe('http.server.request.start', ({ request }) => {
  last = request.headers[name]
})
subscribe('http.client.request.created', ({ request }) => request.setHeader(name, last))
subscribe('undici:request:create', ({ request }) => request.addHeader(name, last))
