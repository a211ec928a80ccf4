// The special cases, on every Node: what carries a handle though events come from elsewhere, and what never carries one.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { connect as connectH2 } from 'node:http2'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { nodes, type Node } from '../support/nodes.ts'
import { ask, handleOf, startPreloadedApp, type App } from './app.ts'
import { handleName, startUpstream, unknown, type Upstream } from './upstream.ts'

for (const node of nodes) {
  describe(`Node ${node.major}`, { skip: node.missing ?? false }, () => testCases(node))
}

const each = (names: readonly string[], prefix: string, handle: string | undefined) =>
  Object.fromEntries(names.map((name) => [`${prefix}${name}`, [handle]]))

function testCases(node: Node): void {
  let app: App
  let upstream: Upstream
  const endings: (() => unknown)[] = []
  const scope = { after: (end: () => unknown) => void endings.push(end) }
  after(() => endings.forEach((end) => end()))
  before(async () => {
    upstream = await startUpstream(scope)
    app = await startPreloadedApp(scope, {
      node,
      program: 'cases.cjs',
      upstream,
      env: { NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_NO_WARNINGS: '1' },
    })
  })

  const [alice, bob] = [handleOf(1), handleOf(2)]
  const get = (path: string, handle?: string, more: { agent?: Agent; headers?: string[] } = {}) =>
    ask({ port: app.ports['http'] ?? 0, path, handle, ...more })
  const callsOf = (prefix: string) =>
    Object.fromEntries([...upstream.calls].filter(([path]) => path.startsWith(prefix)))

  test('timers, immediates, ticks and promises carry the handle', async () => {
    await get('/timers', alice)
    assert.deepEqual(callsOf('/timers/'), each(['promise', 'callback'], '/timers/', alice))
  })

  test("an interval's callback names nobody", async () => {
    await get('/interval', alice)
    assert.deepEqual(callsOf('/interval'), { '/interval': [unknown] })
  })

  test('work after the response carries the handle', async () => {
    const done = get('/wait-after-response', bob)
    await get('/after-response', alice)
    await done
    assert.deepEqual(callsOf('/after-response'), { '/after-response': [alice] })
  })

  test("listeners of a request and a response carry the handle, on a connection that was another user's", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    await get('/plain?user=before', bob, { agent })
    const done = get('/wait-close', bob)
    await ask({
      port: app.ports['http'] ?? 0,
      path: '/body',
      handle: alice,
      method: 'POST',
      body: 'x',
      agent,
    })
    await done
    agent.destroy()
    const expected = each(['data', 'end', 'finish', 'close'], '/body/', alice)
    assert.deepEqual(callsOf('/body/'), expected)
  })

  test('what one user gives up moves on the calls of others, each with her own handle', async () => {
    for (const copy of app.clients) {
      await Promise.all(
        Array.from({ length: 8 }, (_, user) =>
          get(`/abort?copy=${copy}&user=${user}`, user === 7 ? undefined : handleOf(user)),
        ),
      )
      const { '/abort/0?never': _given, ...others } = callsOf('/abort/')
      const expected = Object.fromEntries(
        [1, 2, 3, 4, 5, 6, 7].map((user) => [`/abort/${user}`, [user === 7 ? undefined : handleOf(user)]]),
      )
      assert.deepEqual(others, { ...expected, '/abort/0/after': [handleOf(0)] }, copy)
      for (const path of Object.keys(callsOf('/abort/'))) upstream.calls.delete(path)
      await get('/forget')
    }
  })

  test('callbacks on a connection that a user opened for all name nobody', async () => {
    await get('/socket?user=1', alice)
    await Promise.all([get('/socket?user=1', alice), get('/socket?user=2', bob), get('/socket?user=3')])
    assert.deepEqual(callsOf('/socket/'), {
      '/socket/1': [unknown, unknown],
      '/socket/2': [unknown],
      '/socket/3': [unknown],
    })
  })

  test('what a worker, a child process or a datagram that one user began answers to another names nobody', async () => {
    const names = ['worker', 'child', 'datagrams']
    await get('/helpers?user=1', alice)
    await get('/helpers?user=2', bob)
    assert.deepEqual(callsOf('/helpers/2/'), each(names, '/helpers/2/', unknown))
  })

  test('the callback of a program that is run for one answer carries the handle', async () => {
    await get('/run-once', alice)
    assert.deepEqual(callsOf('/run-once'), { '/run-once': [alice] })
  })

  test('a batch of a DataLoader carries the handle of the one user whose loads it has', async () => {
    await get('/loader?key=one', alice)
    assert.deepEqual(callsOf('/loader/one'), { '/loader/one': [alice] })
  })

  test('a batch of loads of several users names nobody, and each goes on with her own handle', async () => {
    upstream.calls.clear()
    const held = await get('/hold-loads?count=2', undefined)
    assert.equal(held, 'done')
    await Promise.all([get('/loader?key=a', alice), get('/loader?key=b', bob)])
    const { '/loader/after': later = [], ...batches } = callsOf('/loader/')
    assert.deepEqual(Object.values(batches), [[unknown]])
    assert.deepEqual(new Set(later), new Set([alice, bob]))
  })

  test('a load that another user has cached takes the handle from no batch', async () => {
    upstream.calls.clear()
    await get('/loader?key=c', alice)
    await get('/hold-loads?count=2')
    await Promise.all([get('/loader?key=d', bob), get('/loader?key=c', alice)])
    assert.deepEqual(callsOf('/loader/d'), { '/loader/d': [bob] })
  })

  test('calls within TLS carry nothing', async () => {
    await get('/tls', alice)
    const names = ['https', 'fetch', ...app.clients, 'grpc']
    assert.deepEqual(callsOf('/tls/'), each(names, '/tls/', undefined))
  })

  test('a redirect into TLS carries nothing there', async () => {
    await get('/redirect', alice)
    assert.deepEqual(callsOf('/redirect/'), each(['axios', ...app.clients], '/redirect/', undefined))
    const first = [...upstream.calls].filter(([path]) => path.startsWith('/redirecting'))
    for (const [, handles] of first) assert.deepEqual(handles, [alice])
    assert.equal(first.length, 1 + app.clients.length)
  })

  test('a redirect of fetch into TLS carries nothing there', async () => {
    await get('/fetch-redirect', alice)
    assert.deepEqual(callsOf('/fetch-redirect/'), each(['fetch'], '/fetch-redirect/', undefined))
    assert.ok(upstream.rawHeaders.get('/fetch-redirect/fetch')?.includes('kept'))
    assert.deepEqual(
      [...upstream.calls]
        .filter(([path]) => path.startsWith('/fetch-redirecting'))
        .map(([, handles]) => handles),
      [[alice]],
    )
  })

  test('a request without a handle makes calls without one', async () => {
    await get('/plain?user=none')
    assert.deepEqual(callsOf('/plain/none'), { '/plain/none': [undefined] })
  })

  test('two handles, the same twice, and what is no handle carry nothing', async () => {
    for (const values of [[alice, bob], [alice, alice], [`${alice}x`], [alice.slice(1)], ['']]) {
      const headers = values.flatMap((value) => [handleName, value])
      await get('/plain?user=odd', undefined, { headers })
    }
    assert.deepEqual(callsOf('/plain/odd'), { '/plain/odd': Array.from({ length: 5 }) })
  })

  test('a header that the app set itself stays', async () => {
    await get(`/explicit?handle=${bob}`, alice)
    const undicis = app.clients.flatMap((name) => [name, `${name}-raw`])
    const names = ['http', 'pairs', 'raw', 'fetch', 'request', ...undicis, 'grpc']
    assert.deepEqual(callsOf('/explicit/'), each(names, '/explicit/', bob))
  })

  test("http.request carries it in every form of its arguments, and leaves the app's own as they were", async () => {
    const left = JSON.parse(await get('/forms', alice))
    const bare = ['text', 'text-callback', 'url', 'undefined']
    const owning = ['options', 'url-options', 'raw', 'pairs', 'expect']
    assert.deepEqual(callsOf('/forms/'), each([...bare, ...owning], '/forms/', alice))
    for (const name of owning) assert.ok(upstream.rawHeaders.get(`/forms/${name}`)?.includes('kept'), name)
    assert.deepEqual(left, {
      own: { 'X-Own': 'kept' },
      raw: ['Host', 'upstream', 'X-Own', 'kept'],
      options: ['hostname', 'port', 'path', 'headers'],
    })
  })

  test("fetch carries it in every form of its arguments, and leaves the app's own as they were", async () => {
    const left = JSON.parse(await get('/fetch-forms', alice))
    const owning = ['headers', 'pairs', 'request', 'request-init', 'request-as-init']
    assert.deepEqual(callsOf('/fetch-forms/'), each(['text', 'url', ...owning], '/fetch-forms/', alice))
    for (const name of owning)
      assert.ok(upstream.rawHeaders.get(`/fetch-forms/${name}`)?.includes('kept'), name)
    assert.deepEqual(left, [['x-own', 'kept']])
  })

  test("undici carries it in every form of headers, and leaves the app's own as they were", async () => {
    const left = JSON.parse(await get('/undici-forms', alice)) as unknown[]
    const names = app.clients.flatMap((name) =>
      ['none', 'object', 'raw', 'map', 'fetch'].map((form) => `${name}-${form}`),
    )
    assert.deepEqual(callsOf('/undici-forms/'), each(names, '/undici-forms/', alice))
    for (const name of names.filter((form) => !form.endsWith('none')))
      assert.ok(upstream.rawHeaders.get(`/undici-forms/${name}`)?.includes('kept'), name)
    assert.deepEqual(left.slice(0, left.length / app.clients.length), [0, 'x-own', 0, '0', '1', 0, 0])
  })

  test('what undici sends again carries the handle again', async () => {
    await get('/retry', alice)
    const expected = app.clients.map((name) => [`/retry/${name}?unavailable`, [alice, alice]])
    assert.deepEqual(callsOf('/retry/'), Object.fromEntries(expected))
  })

  test('what is done when a call failed carries the handle', async () => {
    await get('/refused', alice)
    assert.deepEqual(callsOf('/refused'), { '/refused': [alice] })
  })

  test('a socket of the file system and a CONNECT carry nothing', async () => {
    assert.equal(await get('/not-by-http', alice), '[null,null]')
  })

  test('a server of HTTP/2 keeps the users of one connection apart', async () => {
    const session = connectH2(`http://127.0.0.1:${app.ports['h2c']}`)
    const asked = [1, 2, 3, 4].map(async (user) => {
      const stream = session.request({
        ':path': `/timers?user=h2-${user}`,
        ...(user === 4 ? {} : { [handleName]: handleOf(user) }),
      })
      await once(stream.resume(), 'end')
    })
    await Promise.all(asked)
    session.destroy()
    const expected = [1, 2, 3, 4].flatMap((user) =>
      ['promise', 'callback'].map((name) => [
        `/timers/h2-${user}/${name}`,
        [user === 4 ? undefined : handleOf(user)],
      ]),
    )
    assert.deepEqual(callsOf('/timers/h2-'), Object.fromEntries(expected))
  })

  test('an upgraded connection carries the handle of its request', async () => {
    const socket = connect(app.ports['http'] ?? 0, '127.0.0.1')
    socket.write(
      `GET / HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: test\r\n${handleName}: ${alice}\r\n\r\n`,
    )
    await once(socket, 'data')
    socket.write('1')
    await once(socket, 'data')
    socket.destroy()
    assert.deepEqual(callsOf('/upgrade/'), { '/upgrade/1': [alice] })
  })
}
