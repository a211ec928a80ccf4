// What the API server asks of ConfigMaps and Secrets (pkg/apis/core/validation: ValidateConfigMap, ValidateSecret).
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap'
import type { ISecret } from 'kubernetes-models/v1/Secret'
import { isDataKey } from './text.ts'

const mostBytes = 1024 * 1024

export function configMapProblems({ data = {}, binaryData = {} }: IConfigMap): string[] {
  return [
    ...contentProblems({ ...data, ...binaryData }),
    ...Object.keys(data)
      .filter((key) => binaryData[key] !== undefined)
      .map((key) => `data: "${key}" is in binaryData too`),
  ]
}

/** By type, the keys that it must have. */
const secretKeys: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
}

export function secretProblems({ data = {}, stringData = {}, type = 'Opaque' }: ISecret): string[] {
  const all = { ...data, ...stringData }
  return [
    ...contentProblems(all),
    ...(secretKeys[type] ?? [])
      .filter((key) => all[key] === undefined)
      .map((key) => `data[${key}]: is required by type ${type}`),
  ]
}

function contentProblems(contents: Readonly<Record<string, string>>): string[] {
  const size = Object.values(contents).reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  return [
    ...Object.keys(contents)
      .filter((key) => !isDataKey(key))
      .map((key) => `data: "${key}" is no key`),
    ...(size > mostBytes ? [`data: has ${size} bytes, more than ${mostBytes}`] : []),
  ]
}
