// Apps for the documents: each answers with the handle that it got.
const http = require('node:http')

for (const port of process.argv.slice(2)) {
  http
    .createServer((request, response) => response.end(request.headers['x-onbehalf-handle'] ?? ''))
    .listen(Number(port), '127.0.0.1')
}
