// Which webhooks an API server asks about a pod that is created.

type Labels = Readonly<Record<string, string>>

interface Selector {
  readonly matchLabels?: Labels
  readonly matchExpressions?: readonly {
    readonly key: string
    readonly operator: string
    readonly values: readonly string[]
  }[]
}

export interface Webhooks {
  readonly webhooks: readonly {
    readonly name: string
    readonly namespaceSelector: Selector
    readonly objectSelector: Selector
  }[]
}

export function selectingWebhooks({ webhooks }: Webhooks, namespace: Labels, pod: Labels): string[] {
  return webhooks
    .filter(
      ({ namespaceSelector, objectSelector }) =>
        isSelected(namespaceSelector, namespace) && isSelected(objectSelector, pod),
    )
    .map(({ name }) => name)
}

/** `NotIn` is true of a label that is not there, too. */
function isSelected({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      const isListed = labels[key] !== undefined && values.includes(labels[key])
      if (operator === 'In') return isListed
      if (operator === 'NotIn') return !isListed
      throw new Error(`${operator} is not used here`)
    })
  )
}
