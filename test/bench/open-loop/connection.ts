// A connection of the open-loop client: one request at a time.
import { once } from 'node:events'
import { connect } from 'node:net'
import { readAnswer } from './answer.ts'

export interface Connection {
  /** @param done gets the status. */
  ask(request: string, done: (status: number) => void): void
}

/** Its end is the end of the client: what it counted would be worth nothing. */
export async function connectTo(port: number): Promise<Connection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  let text = ''
  let answer: ((status: number) => void) | undefined
  socket.setEncoding('latin1')
  socket.on('data', (part: string) => {
    text += part
    const read = readAnswer(text)
    if (read === undefined || text.length < read.bytes) return
    text = ''
    answer?.(read.status)
  })
  socket.on('close', () => {
    throw new Error(`a connection to port ${port} ended`)
  })
  return {
    ask(request, done) {
      answer = done
      socket.write(request, 'latin1')
    },
  }
}
