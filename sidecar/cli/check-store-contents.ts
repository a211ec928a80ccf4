// What `onbehalf check` says of what is in the store: whether somebody else writes there.
import { AccountVerdicts } from '../../shared/assertion/account-verdicts.ts'
import type { Mesh } from '../../shared/config/mesh.ts'
import { digestOf, parseEntry } from '../../shared/revocation.ts'
import { makeTrust } from '../../shared/trust.ts'
import { certificateKey } from '../certificates.ts'
import type { Minter } from '../credential/minter.ts'
import { documentKey } from '../keys/key-sharing.ts'
import { createDocumentSeal, type DocumentSeal } from '../keys/sealed-document.ts'
import type { Material } from '../material.ts'
import { revocationsName } from '../revocation-writer.ts'
import { StoreUnavailable, type Store } from '../store/store.ts'
import { rowsFor, type Row } from './check-row.ts'
import { noRevocations } from './no-revocations.ts'
import { count } from './token-words.ts'

const rows = rowsFor('shared')
const intruder = 'Somebody else writes there: see who has its credentials, and change them'

/** For a store that is reached. Never throws. */
export async function checkContents(
  mesh: Mesh,
  material: Material,
  store: Store,
  now: () => number,
): Promise<Row[]> {
  const { minter } = material.credential
  const checks = [
    ...(minter === undefined ? [] : [checkOwnCertificate(minter, store)]),
    checkRevocations(store, minter),
    ...checkDocuments(mesh, material, store, now),
  ]
  return Promise.all(checks.map((check) => check.catch(asRow)))
}

function asRow(error: unknown): Row {
  if (error instanceof StoreUnavailable) return rows.warn(`what is there cannot be read: ${error.message}`)
  throw error
}

async function checkOwnCertificate({ keyId, x5c }: Minter, store: Store): Promise<Row> {
  const text = await store.get(certificateKey(keyId))
  if (text === undefined) {
    return rows.info(
      "this service's certificate is not there yet: its sidecar publishes it, and until then it travels",
    )
  }
  if (text === JSON.stringify(x5c)) return rows.ok("this service's certificate is there")
  return rows.fail(`what is there under the kid of this service's certificate is another one. ${intruder}`)
}

async function checkRevocations(store: Store, minter: Minter | undefined): Promise<Row> {
  const members = await store.members(revocationsName, -Infinity)
  const own = minter && digestOf('kid', '', minter.keyId)
  if (own !== undefined && members.some(([member]) => member.startsWith(`${own}.`))) {
    return rows.fail(
      "the key of this service's certificate is revoked: have a new one issued, with a new key",
    )
  }
  const foreign = members.filter(([member, score]) => parseEntry(member, score) === undefined).length
  if (foreign === 0) return rows.ok(count(members.length, 'revocation'))
  return rows.fail(
    `${foreign} of ${count(members.length, 'revocation')} are none, and are ignored. ${intruder}`,
  )
}

function checkDocuments(
  { issuers }: Mesh,
  { authorities, credential }: Material,
  store: Store,
  now: () => number,
): Promise<Row>[] {
  const trust = makeTrust([], authorities, new AccountVerdicts())
  return issuers.flatMap(({ name, jwks, jwksFrom }) => {
    if (jwks.kind !== 'url' || jwksFrom.size === 0) return []
    const seal = createDocumentSeal({
      accounts: jwksFrom,
      minter: () => credential.minter,
      trust: () => trust,
      revocations: noRevocations,
      onRejected: () => undefined,
      now,
    })
    return [checkDocument(name, jwks.url, seal, store)]
  })
}

async function checkDocument(issuer: string, url: string, seal: DocumentSeal, store: Store): Promise<Row> {
  const signed = await store.get(documentKey(url))
  if (signed === undefined) {
    return rows.info(
      `the keys of issuer ${issuer} are not there: a sidecar of an account in jwks_from that reaches the issuer puts them there`,
    )
  }
  if (seal.verify(url, signed) !== undefined) {
    return rows.ok(`the keys of issuer ${issuer} are there, signed by an account in jwks_from`)
  }
  return rows.fail(
    `what is there for the keys of issuer ${issuer} is signed by no account in jwks_from. ${intruder}`,
  )
}
