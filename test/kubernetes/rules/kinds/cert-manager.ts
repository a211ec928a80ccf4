// cert-manager.io/v1: certificates and issuers as its API reference and its own webhook have them, in the parts that are used.
import * as v from 'valibot'
import { count, goDuration, map, object, text, texts } from './forms.ts'

/** What a certificate may be used for, separated by commas. */
const usageNames =
  'signing,digital signature,content commitment,key encipherment,key agreement,' +
  'data encipherment,cert sign,crl sign,encipher only,decipher only,any,server auth,' +
  'client auth,code signing,email protection,s/mime,ipsec end system,ipsec tunnel,' +
  'ipsec user,timestamping,ocsp signing,microsoft sgc,netscape sgc'
const usages = usageNames.split(',')
const keySizes: Readonly<Record<string, (size: number) => boolean>> = {
  RSA: (size) => size >= 2048 && size <= 8192,
  ECDSA: (size) => [256, 384, 521].includes(size),
  Ed25519: () => true,
}
const privateKey = v.pipe(
  v.strictObject({
    algorithm: v.optional(v.picklist(['RSA', 'ECDSA', 'Ed25519'])),
    size: v.optional(count),
    encoding: v.optional(v.picklist(['PKCS1', 'PKCS8'])),
    rotationPolicy: v.optional(v.picklist(['Never', 'Always'])),
  }),
  v.check(
    ({ algorithm = 'RSA', size }) => size === undefined || keySizes[algorithm]?.(size) === true,
    'size is none of the algorithm',
  ),
)
export const certificate = object(
  v.pipe(
    v.strictObject({
      secretName: text,
      issuerRef: v.strictObject({ name: text, kind: v.optional(text), group: v.optional(text) }),
      commonName: v.optional(v.pipe(v.string(), v.maxLength(64))),
      dnsNames: v.optional(texts),
      uris: v.optional(texts),
      ipAddresses: v.optional(texts),
      duration: v.optional(goDuration),
      renewBefore: v.optional(goDuration),
      isCA: v.optional(v.boolean()),
      privateKey: v.optional(privateKey),
      usages: v.optional(v.array(v.picklist(usages))),
      secretTemplate: v.optional(v.strictObject({ labels: v.optional(map), annotations: v.optional(map) })),
      revisionHistoryLimit: v.optional(count),
    }),
    v.check(
      ({ commonName, dnsNames = [], uris = [], ipAddresses = [] }) =>
        commonName !== undefined || dnsNames.length + uris.length + ipAddresses.length > 0,
      'names nobody: commonName, dnsNames, uris or ipAddresses',
    ),
  ),
)
export const issuer = object(
  v.pipe(
    v.strictObject({
      selfSigned: v.optional(v.strictObject({ crlDistributionPoints: v.optional(texts) })),
      ca: v.optional(v.strictObject({ secretName: text, crlDistributionPoints: v.optional(texts) })),
    }),
    v.check((given) => Object.keys(given).length === 1, 'must be of one type'),
  ),
)
