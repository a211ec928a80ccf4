// Objects that an API server takes, one of each kind, for tests to break.
import { parseAllDocuments } from 'yaml'

const text = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: orders
  namespace: shop
  labels: {app.kubernetes.io/name: orders}
  creationTimestamp: null
spec:
  replicas: 2
  selector:
    matchLabels: {app: orders}
    matchExpressions: [{key: tier, operator: In, values: [back, front]}]
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata:
      labels: {app: orders, tier: back}
      annotations: {Example.com/Note: 'any text: at all', prometheus.io/scrape: 'true'}
    spec:
      serviceAccountName: orders
      terminationGracePeriodSeconds: 45
      securityContext: {runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
      imagePullSecrets: [{name: registry.example.com}]
      initContainers:
        - name: migrate
          image: example.com/migrate:1
          securityContext: &restricted {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          ports: [{containerPort: 8080, hostPort: 0}]
        - name: proxy
          image: example.com/proxy@sha256:0000000000000000000000000000000000000000000000000000000000000000
          restartPolicy: Always
          securityContext: *restricted
          startupProbe: {httpGet: {path: /livez, port: 15021}, failureThreshold: 60, periodSeconds: 1}
          lifecycle: {preStop: {sleep: {seconds: 5}}}
      containers:
        - name: app
          image: example.com/orders:1
          securityContext: *restricted
          ports:
            - {name: http, containerPort: 8080}
            - {name: metrics-9, containerPort: 9090, protocol: TCP}
          env:
            - {name: PLAIN, value: x}
            - {name: a.dotted-name_1, value: ''}
            - {name: EMPTY}
            - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: LABEL, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
            - {name: CPUS, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
            - {name: KEY, valueFrom: {secretKeyRef: {name: orders, key: key}}}
          envFrom: [{prefix: X_, configMapRef: {name: orders}}]
          resources:
            requests: {cpu: 50m, memory: 64Mi, example.com/gpu: 1}
            limits: {cpu: '1', memory: 0.5Gi, ephemeral-storage: 1e9, example.com/gpu: 1}
          startupProbe: {tcpSocket: {port: http}}
          readinessProbe:
            httpGet: {path: /ready, port: http, httpHeaders: [{name: X-Probe, value: yes indeed}]}
            successThreshold: 2
          livenessProbe: {grpc: {port: 9090}, terminationGracePeriodSeconds: 5}
          lifecycle: {postStart: {exec: {command: [echo]}}}
          volumeMounts:
            - {name: scratch, mountPath: /tmp}
            - {name: config, mountPath: /etc/orders, readOnly: true}
            - {name: config, mountPath: /etc/orders.json, subPath: orders.json}
            - {name: token, mountPath: /var/run/token}
      volumes:
        - {name: scratch, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
        - {name: plain}
        - {name: config, configMap: {name: orders, items: [{key: a.json, path: a/orders.json, mode: 292}]}}
        - {name: keys, secret: {secretName: orders, defaultMode: 0444}}
        - {name: spiffe, csi: {driver: spiffe.csi.cert-manager.io, readOnly: true}}
        - name: token
          projected:
            defaultMode: 292
            sources:
              - serviceAccountToken: {path: token, audience: vault, expirationSeconds: 3600}
              - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
---
apiVersion: v1
kind: Pod
metadata: {generateName: once-}
spec:
  restartPolicy: Never
  containers: [{name: once, image: example.com/once, ports: [{containerPort: 53, protocol: UDP}]}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  serviceName: store
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec:
      containers: [{name: store, image: example.com/store, volumeMounts: [{name: data, mountPath: /data}]}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: node}
spec:
  selector: {matchExpressions: [{key: app, operator: Exists}, {key: old, operator: DoesNotExist}]}
  template:
    metadata: {labels: {app: node}}
    spec:
      hostNetwork: true
      containers: [{name: node, image: example.com/node, ports: [{containerPort: 80, hostPort: 80}]}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: import}
spec:
  backoffLimit: 0
  template: {spec: {restartPolicy: OnFailure, containers: [{name: import, image: example.com/import}]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: '0 3 * * *'
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: nightly, image: example.com/nightly}]}}}
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
  - {apiVersion: v1, kind: ServiceAccount, metadata: {name: orders, namespace: shop}}
---
apiVersion: v1
kind: Service
metadata: {name: orders}
spec:
  selector: {app: orders}
  ports:
    - {name: http, port: 80, targetPort: http}
    - {name: metrics, port: 9090}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: orders}
data: {a.json: '{}'}
binaryData: {b.bin: AAAA}
---
apiVersion: v1
kind: Secret
metadata: {name: orders}
type: kubernetes.io/tls
stringData: {tls.crt: a, tls.key: b}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: orders}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress:
    - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}, podSelector: {}}]
      ports: [{port: 8443}, {port: http}]
  egress:
    - to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {ipBlock: {cidr: '2001:db8::/32'}}]
      ports: [{port: 8000, endPort: 9000}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: orders}
spec: {minAvailable: 50%, selector: {matchLabels: {app: orders}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: 'orders:read'}
rules: [{apiGroups: [''], resources: [secrets], resourceNames: [a], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: 'orders:read'}
rules: [{nonResourceURLs: [/metrics], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: orders}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: 'orders:read'}
subjects: [{kind: ServiceAccount, name: orders, namespace: shop}, {kind: Group, name: all}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: orders}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'orders:read'}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: injector}
webhooks:
  - name: inject.onbehalf.dev
    admissionReviewVersions: [v1]
    sideEffects: None
    failurePolicy: Fail
    reinvocationPolicy: IfNeeded
    timeoutSeconds: 5
    clientConfig: {service: {name: injector, namespace: onbehalf, path: /inject, port: 443}, caBundle: AAAA}
    rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods], scope: Namespaced}]
    namespaceSelector: {matchLabels: {onbehalf.dev/inject: enabled}}
    matchConditions: [{name: some, expression: 'true'}]
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: injector}
spec: {holderIdentity: a, leaseDurationSeconds: 15, renewTime: '2026-01-01T00:00:00.000000Z'}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: orders}
spec:
  secretName: orders
  issuerRef: {name: mesh, kind: Issuer, group: cert-manager.io}
  duration: 24h
  renewBefore: 8h30m
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  usages: [digital signature, client auth]
  uris: ['spiffe://mesh.example.com/orders']
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: mesh}
spec: {selfSigned: {}}
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: orders}
spec:
  groups:
    - name: orders
      interval: 30s
      rules:
        - {record: 'job:errors:rate5m', expr: 'rate(errors_total[5m])'}
        - {alert: Errors, expr: 'job:errors:rate5m > 1', for: 5m, labels: {severity: page}, annotations: {summary: x}}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: orders}
spec: {selector: {matchLabels: {app: orders}}, podMetricsEndpoints: [{port: metrics, path: /metrics}]}
---
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [a.yaml]
configMapGenerator: [{name: a, files: [mesh.yaml]}]
images: [{name: onbehalf, newTag: '1'}]
patches: [{path: b.yaml, target: {kind: Deployment}}]
---
apiVersion: admission.k8s.io/v1
kind: AdmissionReview
request:
  uid: '1'
  kind: {group: '', version: v1, kind: Pod}
  resource: {group: '', version: v1, resource: pods}
  operation: CREATE
  userInfo: {username: a, groups: [b]}
  object: {kind: Pod}
  oldObject: null
  dryRun: false
response: {uid: '1', allowed: true, patchType: JSONPatch, patch: W10=, warnings: [a]}
`

type Fields = Record<string, unknown>

const parsed: ReadonlyMap<string, Fields> = new Map(
  parseAllDocuments(text, { version: '1.1' }).map((document) => {
    const object = document.toJS() as Fields
    return [String(object['kind']), object]
  }),
)

export const goodKinds: readonly string[] = [...parsed.keys()]

/** A copy of its own, in which nothing is shared by an anchor. */
export function good(kind: string): Fields {
  const object = parsed.get(kind)
  if (object === undefined) throw new Error(`no ${kind}`)
  return JSON.parse(JSON.stringify(object)) as Fields
}

/** A copy with another value at a path such as `spec/ports/0/name`; undefined removes what is there. */
export function changed<T extends object>(object: T, path: string, value: unknown): T {
  const copy = structuredClone(object)
  const keys = path.split('/')
  const last = keys.pop() ?? ''
  let at = copy as Fields
  for (const key of keys) {
    at[key] ??= {}
    at = at[key] as Fields
  }
  if (value === undefined) delete at[last]
  else at[last] = value
  return copy
}
