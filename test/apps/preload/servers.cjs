// The servers of an app under the preload: whatever the framework, a request names its client, its id and its burst.
'use strict'
const { createServer } = require('node:http')
const { once } = require('node:events')

const asked = (url) => Object.fromEntries(new URL(url, 'http://app').searchParams)
const bytes = (value) => value

exports.startServers = async ({ packages, work }) => {
  const { express, fastify, grpc } = packages

  const plain = createServer((request, response) => {
    // Bodies as a parser reads them: the work begins in a listener.
    request.on('data', () => undefined)
    request.on('end', () => {
      work(asked(request.url)).then(
        () => response.end('done'),
        (error) => response.writeHead(500).end(String(error.stack)),
      )
    })
  })

  const expressApp = express()
  expressApp.use(express.json())
  expressApp.all('/', (request, response, next) => {
    work(asked(request.url)).then(() => response.send('done'), next)
  })
  const expressServer = createServer(expressApp)

  const fastifyApp = fastify()
  fastifyApp.all('/', async (request) => {
    await work(asked(request.url))
    return 'done'
  })

  const grpcServer = new grpc.Server()
  const definition = {
    Work: {
      path: '/app/Work',
      requestStream: false,
      responseStream: false,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    },
  }
  grpcServer.addService(definition, {
    Work: ({ request }, answer) => {
      work(asked(request.toString())).then(
        () => answer(null, Buffer.from('done')),
        (error) => answer({ code: 2, details: String(error.stack) }),
      )
    },
  })

  for (const server of [plain, expressServer]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  await fastifyApp.listen({ port: 0, host: '127.0.0.1' })
  const grpcPort = await new Promise((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure()
    grpcServer.bindAsync('127.0.0.1:0', credentials, (error, port) => (error ? reject(error) : resolve(port)))
  })
  return {
    http: plain.address().port,
    express: expressServer.address().port,
    fastify: fastifyApp.server.address().port,
    grpc: grpcPort,
  }
}
