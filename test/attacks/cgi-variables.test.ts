// The attacker sends headers that a CGI app finds in its environment as what the sidecar set, or as the proxy of its calls, and wants to be whom he names.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { send } from '../support/client.ts'
import { startMesh, type TestMesh } from '../support/mesh.ts'
import { asUser } from './attack.ts'

/** As CGI names the fields of a request (RFC 3875 section 4.1.18), Apache's and lighttpd's with it: the last of a name counts. */
function environmentOf(rawHeaders: readonly string[]): Map<string, string> {
  const environment = new Map<string, string>()
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = String(rawHeaders[i])
      .toUpperCase()
      .replaceAll(/[^A-Z0-9]/g, '_')
    environment.set(`HTTP_${name}`, String(rawHeaders[i + 1]))
  }
  return environment
}

/** What the app of a request of alice's finds in its environment. */
async function environmentWith(mesh: TestMesh, headers: readonly string[]): Promise<Map<string, string>> {
  const port = mesh.sidecars.App.inbound
  const sent = [...headers, ...(await asUser(mesh, 'alice')), ...headers]
  assert.equal((await send({ port, headers: sent })).status, 200)
  return environmentOf(mesh.apps.App.received.at(-1)?.rawHeaders ?? [])
}

/** Whatever may stand in a name, for the dashes of it. */
const separators = "_.~+!'^|`$%&*#"

test('no character in a name makes a variable of the sidecar out of it', async (t) => {
  const settings = { jwt_claims_headers: { 'X-User-Email': 'email' } }
  const mesh = await startMesh(t, { run: ['App'], settings })
  const own = await environmentWith(mesh, [])
  const names = [...own.keys()].filter((name) => /POMERIUM|ONBEHALF|X_USER_EMAIL|X_FORWARDED/.test(name))
  assert.ok(names.length >= 8, names.join())
  for (const separator of separators) {
    const headers = names.flatMap((name) => [
      name.slice('HTTP_'.length).replaceAll('_', separator).toLowerCase(),
      'forged',
    ])
    const environment = await environmentWith(mesh, headers)
    const forged = [...environment].filter(([, value]) => value.includes('forged'))
    assert.deepEqual(forged, [], separator)
  }
})

for (const name of ['Proxy', 'proxy', 'PROXY', 'pRoXy']) {
  test(`${name} is no proxy of the app`, async (t) => {
    const mesh = await startMesh(t, { run: ['App'] })
    const environment = await environmentWith(mesh, [name, 'http://attacker.test:8080'])
    assert.equal(environment.get('HTTP_PROXY'), undefined)
  })
}
