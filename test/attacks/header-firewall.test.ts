// The attacker wants a header of his own making to reach the app as if the sidecar had set it, or to keep one from reaching it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identityNames, rawValues } from '../support/app.ts'
import { send } from '../support/client.ts'
import { hosts, startMesh, type MeshOptions, type TestMesh } from '../support/mesh.ts'
import { assertionName, asUser, forName, handleName, speak, startRaw, verdict } from './attack.ts'

const open = { policy: undefined, allow_public_unauthenticated_access: true }
const claimed: MeshOptions = {
  run: ['App'],
  settings: { jwt_claims_headers: { 'X-User-Email': 'email', 'X.Team': 'team' } },
}

/** Says a request of alice's with these lines in it, and closes. */
async function sayAsAlice(mesh: TestMesh, lines: readonly string[], target = '/'): Promise<string> {
  const [name, token] = await asUser(mesh, 'alice')
  const head = [`GET ${target} HTTP/1.1`, 'Host: a', `${name}: ${token}`, ...lines]
  const isClosing = lines.some((line) => /^connection:.*\bclose\b/i.test(line))
  return speak(
    mesh.sidecars.App.inbound,
    `${[...head, ...(isClosing ? [] : ['Connection: close'])].join('\r\n')}\r\n\r\n`,
  )
}

const carriesForgery = (mesh: TestMesh) =>
  mesh.apps.App.received.some(({ rawHeaders }) => rawHeaders.some((value) => value.includes('forged')))

const aliases = [
  'X-Pomerium-Jwt-Assertion-For',
  'x_pomerium_jwt_assertion_for',
  'X.Pomerium.Jwt.Assertion.For',
  'x-PoMeRiUm-jwt_assertion.for',
  'X_Pomerium_Jwt_Assertion',
  'X-Pomerium-Authenticated-User-Id',
  'X-Pomerium-Authenticated_User_Id',
  'X-Pomerium-Original-User-Email',
  'X-Pomerium-Original.User.Groups',
  'X-Pomerium-Claim-Admin',
  'X-Pomerium-Anything',
  'X_Pomerium_Authorization',
  'X-Onbehalf-Chain',
  'x_onbehalf_chain',
  'X.Onbehalf.Via',
  'X-Onbehalf_Handle',
  'X-Onbehalf-Request-Id',
  'X-User-Email',
  'x_user_email',
  'X.User-Email',
  'X-Team',
  'x_team',
]

test('no name that an app could take for an identity header passes, however it is spelled', async (t) => {
  const mesh = await startMesh(t, claimed)
  for (const name of aliases) {
    await t.test(name, async () => {
      mesh.apps.App.received.length = 0
      // A user's own -For is refused outright; all the others are taken out.
      const isClaim = name === forName
      assert.equal(
        verdict(await sayAsAlice(mesh, [`${name}: forged`])),
        isClaim ? 'original_user_not_allowed' : 'HTTP/1.1 200 OK',
      )
      assert.equal(carriesForgery(mesh), false)
    })
  }
})

test('nor on a public route, where nothing at all was verified', async (t) => {
  const mesh = await startMesh(t, { ...claimed, routes: { App: open } })
  const names = aliases.filter((name) => name !== forName && name.toLowerCase() !== handleName)
  const headers = names.flatMap((name) => [name, 'forged'])
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
  assert.deepEqual(identityNames(mesh.apps.App.received[0]), [handleName])
  assert.equal(carriesForgery(mesh), false)
})

// lighttpd, and others that stand on CGI's rules, read every character that is no letter or digit as `_`.
test('a name with any other character for each dash does not pass as an identity header either', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  for (const character of "~+!'^|`$%&*#") {
    const name = forName.replaceAll('-', character)
    assert.equal(verdict(await sayAsAlice(mesh, [`${name}: forged`])), 'HTTP/1.1 200 OK')
    assert.equal(carriesForgery(mesh), false, name)
  }
})

const nominations = [
  [`Connection: close, ${assertionName}`],
  [`Connection: close, ${assertionName.toLowerCase()}`],
  [`connection: close,${assertionName.toUpperCase()},X-Pomerium-Authenticated-User-Id,${handleName}`],
  ['Connection: close', `Connection: ${assertionName}`, `CONNECTION: ${handleName}`],
  [`Connection: close , , ${assertionName} , x-pomerium-authenticated-user-email`],
  [`Connection: close,\t${assertionName}\t`],
  ['Connection: close, x_pomerium_jwt_assertion, X-Pomerium-Authenticated-User-Id'],
  [`Proxy-Connection: ${assertionName}`, `Keep-Alive: ${assertionName}`, `TE: ${assertionName}`],
]

for (const lines of nominations) {
  test(`nobody nominates away what the sidecar sets: ${lines.join(' | ')}`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    assert.equal(verdict(await sayAsAlice(mesh, lines)), 'HTTP/1.1 200 OK')
    const [received] = mesh.apps.App.received
    assert.equal(rawValues(received, assertionName).length, 1)
    assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['alice-id'])
    assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-email'), ['alice@companydomain.com'])
    assert.equal(rawValues(received, handleName).length, 1)
  })
}

test('nor what frames and routes the request', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const [name, token] = await asUser(mesh, 'alice')
  const head = `POST / HTTP/1.1\r\nHost: a\r\n${name}: ${token}\r\nContent-Length: 5`
  const bytes = `${head}\r\nConnection: close, host, content-length\r\n\r\nhello`
  assert.equal(verdict(await speak(mesh.sidecars.App.inbound, bytes)), 'HTTP/1.1 200 OK')
  assert.equal(mesh.apps.App.received[0]?.body, 'hello')
  assert.deepEqual(rawValues(mesh.apps.App.received[0], 'host'), ['a'])
})

const duplicates = [assertionName, assertionName.toLowerCase(), assertionName.toUpperCase()]
for (const name of duplicates) {
  test(`a second assertion as ${name} is ambiguous, whichever of the two is good`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    const good = await asUser(mesh, 'alice')
    for (const headers of [
      [...good, name, 'forged'],
      [name, 'forged', ...good],
      [...good, name, good[1] ?? ''],
      [...good, name, ''],
    ]) {
      const answer = await send({ port: mesh.sidecars.App.inbound, headers })
      assert.deepEqual([answer.status, answer.code], [400, 'request_ambiguous'])
    }
    assert.equal(mesh.apps.App.received.length, 0)
  })
}

test('two -For are ambiguous, in the mesh too', async (t) => {
  const mesh = await startMesh(t, { run: ['API'] })
  const caller = (await mesh.minter('api-access')).assertionFor(hosts.API)
  const [alice, bob] = [
    await mesh.pomerium.assertion('alice', hosts.App),
    await mesh.pomerium.assertion('bob', hosts.App),
  ]
  const headers = [assertionName, caller, forName, alice, forName.toLowerCase(), bob]
  assert.equal((await send({ port: mesh.sidecars.API.inbound, headers })).code, 'request_ambiguous')
  const joined = [assertionName, caller, forName, `${alice}, ${bob}`]
  assert.equal(
    (await send({ port: mesh.sidecars.API.inbound, headers: joined })).code,
    'original_user_malformed',
  )
  assert.equal(mesh.apps.API.received.length, 0)
})

test('two handles are ambiguous on the way out', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const headers = [handleName, 'one', handleName.toUpperCase(), 'two']
  const answer = await send({ port: mesh.sidecars.App.outbound, host: hosts.API, headers })
  assert.equal(answer.code, 'request_ambiguous')
})

for (const name of [assertionName, forName, 'X-Pomerium-Authenticated-User-Id', handleName]) {
  test(`a trailer ${name} is none to the app`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    const seen = Promise.withResolvers<string[]>()
    mesh.apps.App.handler = (request, response) => {
      request.resume().once('end', () => {
        seen.resolve([...request.rawHeaders, ...request.rawTrailers])
        response.end()
      })
    }
    const [assertion, token] = await asUser(mesh, 'alice')
    const head = `POST / HTTP/1.1\r\nHost: a\r\n${assertion}: ${token}\r\nTransfer-Encoding: chunked\r\nTrailer: ${name}`
    const bytes = `${head}\r\nConnection: close\r\n\r\n2\r\nhi\r\n0\r\n${name}: forged\r\n\r\n`
    assert.equal(verdict(await speak(mesh.sidecars.App.inbound, bytes)), 'HTTP/1.1 200 OK')
    assert.equal((await seen.promise).includes('forged'), false)
  })
}

const unreadable: [name: string, line: string][] = [
  ['a folded line', `X-One: a\r\n ${forName}: forged`],
  ['a folded line with a tabulator', `X-One: a\r\n\t${forName}: forged`],
  ['a line feed alone', `X-One: a\n${forName}: forged`],
  ['a carriage return alone', `X-One: a\r${forName}: forged`],
  ['a null byte in a value', 'X-One: a\0b'],
  ['a null byte in a name', `${forName}\0: forged`],
  ['a blank before the colon', `${forName} : forged`],
  ['a blank in a name', `X Pomerium Jwt Assertion For: forged`],
  ['a blank before the name', ` ${forName}: forged`],
  ['a name of no characters', ': forged'],
  ['a name with a letter that is none of ASCII', 'X-Pomerium-Jwt-Assert\xefon: forged'],
  ['no colon', forName],
]
for (const [name, line] of unreadable) {
  test(`${name} is no header: the request is refused whole`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    assert.equal(verdict(await sayAsAlice(mesh, [line])), 'request_malformed')
    assert.equal(mesh.apps.App.received.length, 0)
  })
}

test('a request in absolute form has the same headers taken out', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const lines = ['X-Pomerium-Authenticated-User-Id: forged', 'x_pomerium_jwt_assertion: forged']
  assert.equal(verdict(await sayAsAlice(mesh, lines, 'http://a/x')), 'HTTP/1.1 200 OK')
  assert.equal(mesh.apps.App.received[0]?.url, '/x')
  assert.equal(carriesForgery(mesh), false)
})

test('a forged header does not slip through behind many others', async (t) => {
  const mesh = await startMesh(t, { run: ['App'] })
  const filler = Array.from({ length: 92 }, (_, i) => `X-${i}: y`)
  const answer = await sayAsAlice(mesh, [...filler, 'x_pomerium_original_user_id: forged'])
  assert.equal(verdict(answer), 'HTTP/1.1 200 OK')
  assert.equal(carriesForgery(mesh), false)
})

test('nor behind thousands, which are refused, or where they are allowed, all looked at', async (t) => {
  const filler = Array.from({ length: 3_000 }, (_, i) => `X-${i}: y`)
  const lines = [...filler, 'x_pomerium_original_user_id: forged']
  const bounded = await startMesh(t, { run: ['App'], settings: { limits: { header_bytes: '1MiB' } } })
  assert.equal(verdict(await sayAsAlice(bounded, lines)), 'headers_too_large')
  const seen = Promise.withResolvers<string>()
  const app = await startRaw(t, (socket) => {
    let request = ''
    socket.setEncoding('latin1').on('data', (part: string) => {
      request += part
      if (!request.includes('\r\n\r\n')) return
      seen.resolve(request)
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    })
  })
  const services = { App: { app: `http://127.0.0.1:${app}` } }
  const settings = { limits: { headers: 0, header_bytes: '1MiB' } }
  const unbounded = await startMesh(t, { run: ['App'], services, settings })
  assert.equal(verdict(await sayAsAlice(unbounded, lines)), 'HTTP/1.1 200 OK')
  assert.match(await seen.promise, /X-2999: y/)
  assert.doesNotMatch(await seen.promise, /forged/)
})

const serviceTokens = [
  'Pomerium forged',
  'pomerium forged',
  'POMERIUM\tforged',
  'Bearer Pomerium-forged',
  'bearer pomerium-forged',
  'Bearer   Pomerium-forged',
  'BEARER\tPOMERIUM-forged',
]
for (const value of serviceTokens) {
  test(`a service account's token as Authorization: ${JSON.stringify(value)} does not reach the app`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    assert.equal(
      verdict(await sayAsAlice(mesh, ['Authorization: Bearer own', `authorization: ${value}`])),
      'HTTP/1.1 200 OK',
    )
    assert.equal(carriesForgery(mesh), false)
    assert.deepEqual(rawValues(mesh.apps.App.received[0], 'authorization'), ['Bearer own'])
  })
}

test('a claim cannot break out of its header', async (t) => {
  const settings = { jwt_claims_headers: { 'X-Nick': 'nick', 'X-More': 'more' } }
  const mesh = await startMesh(t, { run: ['App'], settings })
  const claims = mesh.pomerium.claims('alice', hosts.App)
  const nick = 'a\r\nX-Pomerium-Jwt-Assertion-For: forged'
  const more = { '\r\nX-Evil': 'forged\r\n\r\nGET /smuggled HTTP/1.1' }
  const token = await mesh.pomerium.sign({ ...claims, nick, more, groups: ['a\nb', 'c'] })
  const headers = [assertionName, token]
  assert.equal((await send({ port: mesh.sidecars.App.inbound, headers })).status, 200)
  assert.equal(mesh.apps.App.received.length, 1)
  assert.deepEqual(rawValues(mesh.apps.App.received[0], forName), [])
  assert.deepEqual(rawValues(mesh.apps.App.received[0], 'x-evil'), [])
})
