// The stages of an exchange at which one side may leave, each as the bytes that lead there.

export interface Stage {
  readonly name: string
  /**
   * What the client says: `{id}` names the exchange, `{head}` stands for the fields that the sidecar wants, `{port}` is
   * the upstream's.
   */
  readonly request: string
  /** What the client says when it hears a 100, or that a tunnel is open. */
  readonly invited?: string
  /** What the upstream has heard of the request for `/trial/{id}` when it answers. */
  readonly arrived: RegExp
  /** What the upstream answers. A request for `/whole/{id}` it always answers whole, with `first`. */
  readonly answer?: string
  /** What the client has heard when the stage is reached. */
  readonly answered?: RegExp
  /** Whether the end of the request's body was not sent. */
  readonly isUploading?: boolean
  /** What the client has got whole when the upstream has left: codes of refusals, and statuses. */
  readonly gets: readonly string[]
  /** How the answer ends that the upstream does not end; `alike`: as the upstream ended it. */
  readonly breaksOff?: 'closed' | 'reset' | 'alike'
}

const get = 'GET /trial/{id} HTTP/1.1\r\n{head}\r\n'
const getWhole = 'GET /whole/{id} HTTP/1.1\r\n{head}\r\n'
const post = 'POST /trial/{id} HTTP/1.1\r\n{head}'
const ok = 'HTTP/1.1 200 OK\r\n'
const headEnd = /\r\n\r\n$/
const half = /half$/
const refused = ['upstream_reset']

const uploads: readonly Stage[] = [
  {
    name: 'in the middle of an upload by length',
    request: `${post}Content-Length: 100000\r\n\r\nhalf`,
    arrived: half,
    isUploading: true,
    gets: refused,
  },
  {
    name: 'in the middle of a chunk of an upload',
    request: `${post}Transfer-Encoding: chunked\r\n\r\nffff\r\nhalf`,
    arrived: /half/,
    isUploading: true,
    gets: refused,
  },
  {
    name: 'between two chunks of an upload',
    request: `${post}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
    arrived: /half/,
    isUploading: true,
    gets: refused,
  },
  {
    name: 'in the trailers of an upload',
    request: `${post}Transfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n4\r\nhalf\r\n0\r\nX-A: half`,
    arrived: /half/,
    isUploading: true,
    gets: refused,
  },
  {
    name: 'after a 100, in the upload that it invited',
    request: `${post}Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n`,
    invited: 'half',
    arrived: half,
    answered: /^HTTP\/1\.1 100 /,
    isUploading: true,
    gets: refused,
  },
]

const waits: readonly Stage[] = [
  {
    name: 'after the head of a request with a body',
    request: `${post}Content-Length: 100000\r\n\r\n`,
    arrived: headEnd,
    isUploading: true,
    gets: refused,
  },
  { name: 'before the answer', request: get, arrived: headEnd, gets: refused },
  {
    name: 'before the answer to a body',
    request: `${post}Content-Length: 5\r\n\r\nwhole`,
    arrived: /whole$/,
    gets: refused,
  },
  {
    name: 'after a 103',
    request: get,
    arrived: headEnd,
    answer: 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n',
    answered: /^HTTP\/1\.1 103 /,
    gets: refused,
  },
  {
    name: 'in the head of an answer',
    request: get,
    arrived: headEnd,
    answer: `${ok}Content-Length: 4\r\nX-Ha`,
    gets: refused,
  },
  {
    name: 'after the answer to a pipelined request, before that to the next',
    request: getWhole + get,
    arrived: headEnd,
    answered: /first$/,
    gets: ['200', ...refused],
  },
  {
    name: 'before the answer to a request with another one waiting behind it',
    request: get + getWhole,
    arrived: headEnd,
    gets: [...refused, '200'],
  },
]

const answers: readonly Stage[] = [
  {
    name: 'in the middle of an answer by length',
    request: get,
    arrived: headEnd,
    answer: `${ok}Content-Length: 100000\r\n\r\nhalf`,
    answered: half,
    gets: [],
    breaksOff: 'closed',
  },
  {
    name: 'in the middle of a chunk of an answer',
    request: get,
    arrived: headEnd,
    answer: `${ok}Transfer-Encoding: chunked\r\n\r\nffff\r\nhalf`,
    answered: /half/,
    gets: [],
    breaksOff: 'closed',
  },
  {
    name: 'between two chunks of an answer',
    request: get,
    arrived: headEnd,
    answer: `${ok}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
    answered: /half/,
    gets: [],
    breaksOff: 'closed',
  },
  {
    name: 'between two chunks of an answer to HTTP/1.0',
    request: 'GET /trial/{id} HTTP/1.0\r\n{head}\r\n',
    arrived: headEnd,
    answer: `${ok}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
    answered: /half/,
    gets: [],
    // To HTTP/1.0 the end of the connection is the end of the answer, so only a reset says that it is not whole.
    breaksOff: 'reset',
  },
  {
    name: 'in the trailers of an answer',
    request: 'GET /trial/{id} HTTP/1.1\r\n{head}TE: trailers\r\nConnection: TE\r\n\r\n',
    arrived: headEnd,
    answer: `${ok}Transfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n4\r\nhalf\r\n0\r\nX-A: half`,
    answered: /half/,
    gets: [],
    breaksOff: 'closed',
  },
  {
    name: 'in an answer to an upload that goes on',
    request: `${post}Content-Length: 100000\r\n\r\nhalf`,
    arrived: half,
    answer: `${ok}Content-Length: 100000\r\n\r\nhalf`,
    answered: half,
    isUploading: true,
    gets: [],
    breaksOff: 'closed',
  },
]

/** Only the bytes that pass through a tunnel can tell their end, so that a reset has to stay one. */
export const tunnel: Stage = {
  name: 'in a tunnel',
  request: 'CONNECT 127.0.0.1:{port} HTTP/1.1\r\n{head}\r\n',
  invited: get,
  arrived: headEnd,
  answer: 'half',
  answered: half,
  gets: [],
  breaksOff: 'alike',
}

/** Every stage between the connection to the upstream and the end of the answer. */
export const stages: readonly Stage[] = [...uploads, ...waits, ...answers]
