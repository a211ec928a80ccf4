// Calls by way of a Pomerium: the service account's token in its three forms, the user in -For, verified at the end.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { rawValues } from '../support/app.ts'
import { send } from '../support/client.ts'
import { startPomerium } from '../../deploy/demo/pomerium.ts'
import { hosts, startMesh } from '../support/mesh.ts'

const assertionName = 'X-Pomerium-Jwt-Assertion'
const forName = 'X-Pomerium-Jwt-Assertion-For'

for (const tokenForm of ['header', 'authorization', 'bearer']) {
  test(`the token is taken in the form ${tokenForm}, and the user arrives`, async (t) => {
    const { pomerium, port, token } = await startedPomerium(t)
    const mesh = await startMesh(t, {
      run: ['API'],
      issuer: { jwks: pomerium.jwksUrl, service_accounts: ['api-access'] },
      routes: { API: { from: 'http://localhost' } },
    })
    pomerium.setRoute('localhost', {
      to: `http://127.0.0.1:${mesh.sidecars.API.inbound}`,
      passIdentityHeaders: true,
    })
    const app = await startMesh(t, {
      run: ['App'],
      issuer: { jwks: pomerium.jwksUrl },
      routes: { API: { from: `http://localhost:${port}`, via: 'pomerium', token_form: tokenForm } },
      services: { App: { credential: { token_file: 'pomerium-token' } } },
      files: { 'pomerium-token': `${token}\n` },
    })
    const user = await pomerium.sign(userClaims(pomerium))
    await send({ port: app.sidecars.App.inbound, headers: [assertionName, user] })
    const answer = await send({
      port: app.sidecars.App.outbound,
      host: 'localhost',
      headers: [assertionName, user],
    })
    assert.equal(answer.status, 200, answer.body)
    const received = mesh.apps.API.received[0]
    assert.deepEqual(rawValues(received, forName), [user])
    assert.deepEqual(rawValues(received, 'x-pomerium-authenticated-user-id'), ['api-access'])
    assert.equal(
      received?.rawHeaders.some((value) => value.includes(token)),
      false,
    )
    assert.deepEqual(rawValues(received, 'authorization'), [])
  })
}

/** A Pomerium on loopback, where a call by way of it may go by http, under the name localhost. */
async function startedPomerium(t: TestContext) {
  const pomerium = await startPomerium()
  t.after(() => pomerium.close())
  const token = await pomerium.serviceAccountToken({ id: 'account-1', user: 'api-access' })
  return { pomerium, port: new URL(pomerium.url).port, token }
}

function userClaims(pomerium: Awaited<ReturnType<typeof startPomerium>>): Record<string, unknown> {
  const claims = pomerium.claims(undefined, hosts.App)
  return {
    ...claims,
    sub: 'alice-id',
    user: 'alice-id',
    email: 'alice@companydomain.com',
    sid: 'alice-session',
  }
}

test('a token file that changed is used from then on', async (t) => {
  const { pomerium, port, token } = await startedPomerium(t)
  const app = await startMesh(t, {
    run: ['App'],
    routes: { API: { from: `http://localhost:${port}`, via: 'pomerium' } },
    services: { App: { credential: { token_file: 'pomerium-token' } } },
    files: { 'pomerium-token': 'aaaa.bbbb.cccc\n' },
  })
  const call = () => send({ port: app.sidecars.App.outbound, host: 'localhost' })
  pomerium.setRoute('localhost', { to: app.apps.API.origin })
  assert.notEqual((await call()).status, 200)
  await writeFile(join(app.folder, 'pomerium-token'), token)
  const startedMs = Date.now()
  while ((await call()).status !== 200) {
    assert.ok(Date.now() - startedMs < 5_000)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
})
