// The forms of names, keys and quantities that Kubernetes' API server takes (apimachinery/pkg/util/validation, pkg/api/resource).

const labelForm = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/

/** DNS-1123: names of containers, volumes and namespaces. */
export function isLabel(text: string): boolean {
  return text.length <= 63 && labelForm.test(text)
}

/** DNS-1035: names of Services. */
export function isServiceName(text: string): boolean {
  return isLabel(text) && /^[a-z]/.test(text)
}

/** DNS-1123: names of most objects. */
export function isSubdomain(text: string): boolean {
  return text.length <= 253 && text.split('.').every((part) => labelForm.test(part))
}

/** RFC 6335: names of container ports. */
export function isPortName(text: string): boolean {
  return text.length <= 15 && /^[a-z0-9]+(-[a-z0-9]+)*$/.test(text) && /[a-z]/.test(text)
}

export function isPortNumber(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535
}

const wordForm = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/

/** Keys of labels and annotations: `name`, or `prefix/name`. */
export function isQualifiedName(text: string): boolean {
  const parts = text.split('/')
  const name = parts.pop() ?? ''
  const isPrefixed = parts.length === 1 && isSubdomain(parts[0] ?? '')
  return name.length <= 63 && wordForm.test(name) && (parts.length === 0 || isPrefixed)
}

export function isLabelValue(text: string): boolean {
  return text === '' || (text.length <= 63 && wordForm.test(text))
}

/** The strict form: clusters before 1.34 take no other. */
export function isEnvironmentName(text: string): boolean {
  return /^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(text) && text !== '.' && !text.startsWith('..')
}

/** Keys of ConfigMaps and Secrets. */
export function isDataKey(text: string): boolean {
  return text.length <= 253 && /^[-._a-zA-Z0-9]+$/.test(text) && text !== '.' && !text.startsWith('..')
}

const quantityForm = /^([+-]?)(\d+)?(?:\.(\d*))?(?:[eE]([+-]?\d+)|([KMGTPE])i|([numkMGTPE]))?$/
const decimalPowers: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
}

/** In billionths, rounded up as the server does; undefined for what is no quantity. */
export function parseQuantity(text: string | number): bigint | undefined {
  const [all, sign, whole = '', fraction = '', exponent, binary, decimal] =
    quantityForm.exec(String(text)) ?? []
  if (all === undefined || whole + fraction === '') return undefined
  const power = 9 - fraction.length + Number(exponent ?? decimalPowers[decimal ?? ''] ?? 0)
  if (Math.abs(power) > 100) return undefined
  const steps = binary === undefined ? 0 : 'KMGTPE'.indexOf(binary) + 1
  const digits = BigInt(whole + fraction) * 1024n ** BigInt(steps)
  const divisor = power < 0 ? 10n ** BigInt(-power) : 1n
  const size = power < 0 ? (digits + divisor - 1n) / divisor : digits * 10n ** BigInt(power)
  return sign === '-' ? -size : size
}

/** Each text that stands more than once. */
export function duplicates(texts: readonly string[]): string[] {
  return [...new Set(texts.filter((text, i) => texts.indexOf(text) !== i))]
}
