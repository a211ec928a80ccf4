// The criteria about the request and the connection it came by: http_method, http_path, source_ip, client_certificate.
import type { PeerCertificate } from '../head.ts'
import type { Network } from '../config/mesh.ts'
import { parseNetwork } from '../network.ts'
import { decodePath, pathFault } from '../path.ts'
import { compileStringMatcher, type StringKey } from './matcher.ts'
import { fault, inside, isObject, isStrict, kindOf, unknownName, type Place } from './place.ts'
import type { PolicyFacts } from './policy.ts'

export type FactsTest = (facts: PolicyFacts) => boolean

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'])

/** A method in lower case would never match, and under `deny` never deny. */
export function compileMethod(data: unknown, place: Place): FactsTest | undefined {
  const matcher = compileStringMatcher(data, place, (value) => {
    const upper = value.toUpperCase()
    return value !== upper && methods.has(upper) ? `Methods are case-sensitive: write ${upper}.` : undefined
  })
  return matcher === undefined ? undefined : (facts) => matcher.test(facts.method)
}

/** Both sides are compared decoded: `/@me` and `/%40me` are the same to an app, so they are to a rule. */
export function compilePath(data: unknown, place: Place): FactsTest | undefined {
  const decoded = isObject(data)
    ? Object.fromEntries(Object.entries(data).map(([key, value]) => [key, decodeValue(value)]))
    : decodeValue(data)
  const isSound = compileStringMatcher(data, place, checkPath) !== undefined
  if (!isSound) return undefined
  const matcher = compileStringMatcher(decoded, place)
  return matcher === undefined ? undefined : (facts) => matcher.test(decodePath(facts.path))
}

function decodeValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decodeValue)
  return typeof value === 'string' ? decodePath(value) : value
}

/** A value that no path can match is a mistake: under `deny` it would never deny. */
function checkPath(value: string, key: StringKey): string | undefined {
  const isAnchored = key !== 'contains' && key !== 'ends_with'
  const isOpenEnded = key === 'contains' || key === 'starts_with'
  return pathFault(value, isOpenEnded, isAnchored ? '' : '/x')
}

/** `source_ip`: an address, a CIDR range, or a list of them. */
export function compileSourceIp(data: unknown, place: Place): FactsTest | undefined {
  const networks = readEach(data, place, readNetwork)
  return networks === undefined
    ? undefined
    : (facts) => networks.some((each) => each.contains(facts.peer.address))
}

function readNetwork(data: unknown, place: Place): Network | undefined {
  const network = typeof data === 'string' ? parseNetwork(data) : undefined
  return (
    network ??
    fault(
      place,
      'Must be an IP address or a CIDR range without bits beyond its prefix, such as 10.1.2.3 or 10.0.0.0/8.',
    )
  )
}

/** One value or a list of them, which must not be empty. */
function readEach<Value>(
  data: unknown,
  place: Place,
  read: (data: unknown, place: Place) => Value | undefined,
): readonly Value[] | undefined {
  if (!Array.isArray(data)) {
    const value = read(data, place)
    return value === undefined ? undefined : [value]
  }
  if (data.length === 0) return fault(place, 'Must not be an empty list.')
  const values = data.map((value, i) => read(value, inside(place, i)))
  return values.every((value) => value !== undefined) ? values : undefined
}

type CertificateTest = (certificate: PeerCertificate) => boolean

const certificateKeys = ['fingerprint', 'spki_hash', 'san_uri', 'uri']

const blankCertificate: PeerCertificate = { fingerprint: '', spkiHash: '', uriNames: [] }

/** `client_certificate`: several keys must all hold. No certificate is one without names, where that admits less. */
export function compileCertificate(data: unknown, place: Place): FactsTest | undefined {
  if (!isObject(data)) {
    return fault(place, `Must be an object with ${certificateKeys.join(', ')}, not ${kindOf(data)}.`)
  }
  const tests = Object.entries(data).map(([key, value]) =>
    compileCertificatePart(key, value, inside(place, key)),
  )
  if (tests.length === 0) return fault(place, `Needs one of ${certificateKeys.join(', ')}.`)
  if (!tests.every((test) => test !== undefined)) return undefined
  const absent = isStrict(place) ? undefined : blankCertificate
  return ({ peer: { certificate = absent } }) =>
    certificate !== undefined && tests.every((test) => test(certificate))
}

function compileCertificatePart(key: string, data: unknown, place: Place): CertificateTest | undefined {
  switch (key) {
    case 'fingerprint':
      return compileFingerprint(data, place)
    case 'spki_hash':
      return compileSpkiHash(data, place)
    case 'san_uri':
    case 'uri':
      return compileUri(data, place)
  }
  if (key === 'san_dns' || key === 'san_email') {
    return fault(
      place,
      `${key} cannot be decided here: of a certificate's names, a sidecar reads URIs only. Write uri.`,
    )
  }
  return fault(place, unknownName('certificate matcher', key, certificateKeys))
}

function compileFingerprint(data: unknown, place: Place): CertificateTest | undefined {
  const hashes = readEach(data, place, readFingerprint)
  return hashes === undefined ? undefined : ({ fingerprint }) => hashes.includes(fingerprint)
}

/** As `openssl x509 -fingerprint -sha256` prints it, or 64 hex digits in lower case. */
function readFingerprint(data: unknown, place: Place): string | undefined {
  if (typeof data === 'string' && /^[0-9a-f]{64}$/.test(data)) return data
  if (typeof data === 'string' && /^[0-9A-F]{2}(?::[0-9A-F]{2}){31}$/.test(data)) {
    return data.replaceAll(':', '').toLowerCase()
  }
  return fault(
    place,
    'Must be a SHA-256 fingerprint in quotes: 64 hex digits in lower case, or 32 pairs in upper case with colons.',
  )
}

function compileSpkiHash(data: unknown, place: Place): CertificateTest | undefined {
  const hashes = readEach(data, place, readSpkiHash)
  return hashes === undefined ? undefined : ({ spkiHash }) => hashes.includes(spkiHash)
}

/** Pomerium writes it in base64. */
function readSpkiHash(data: unknown, place: Place): string | undefined {
  const bytes = Buffer.from(typeof data === 'string' ? data : '', 'base64')
  if (bytes.length === 32 && bytes.toString('base64') === data) return bytes.toString('hex')
  return fault(place, 'Must be the base64 of a SHA-256 hash of the public key info (44 characters).')
}

/** Any one of the certificate's URI names must match; of a negative matcher that can admit, all of them. */
function compileUri(data: unknown, place: Place): CertificateTest | undefined {
  const matcher = compileStringMatcher(data, place)
  if (matcher === undefined) return undefined
  const { test, isNegative } = matcher
  if (isNegative && isStrict(place)) return ({ uriNames }) => uriNames.length > 0 && uriNames.every(test)
  return ({ uriNames }) => (uriNames.length === 0 ? test('') : uriNames.some(test))
}
