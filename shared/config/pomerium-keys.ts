// Pomerium's route keys that sidecars do not serve, and what that means for whoever wrote one.
// Source: the route settings of Pomerium v0.33 and earlier.

const byPomerium = 'is applied by Pomerium and not by sidecars, which pass the request as it is'
const passes = 'is for Pomerium: sidecars pass every change of protocol that the upstream grants'
const identityProvider = 'belongs to Pomerium, which talks to the identity provider; it has no effect here'
const balancing =
  'has no effect here: sidecars take the address with the fewest requests, and set aside what refuses'
const secret = 'is a secret, and every sidecar reads this file; keep it in the configuration of Pomerium'

/** Ignoring these cannot change who gets in, nor what is trusted: warnings. */
export const ignoredPomeriumKeys: Readonly<Record<string, string>> = {
  description: 'is for people only; it has no effect here',
  logo_url: 'is for the pages of Pomerium; it has no effect here',
  show_error_details: 'is for the pages of Pomerium; it has no effect here',
  depends_on: 'is for the pages of Pomerium; it has no effect here',

  allow_websockets: passes,
  allow_spdy: passes,
  allow_upgrades: passes,

  idp_client_id: identityProvider,
  idp_access_token_allowed_audiences: identityProvider,
  identity_providers: identityProvider,
  bearer_token_format: identityProvider,
  jwt_issuer_format: 'is applied by Pomerium; say under issuers which forms of iss are accepted',
  jwt_groups_filter: 'is applied by Pomerium, which puts the groups into the assertion',

  tls_downstream_server_name: byPomerium,
  tls_upstream_allow_renegotiation: byPomerium,
  tls_client_cert: 'is shown by Pomerium and not by sidecars; they show credential.certificate',
  tls_client_cert_file: 'is shown by Pomerium and not by sidecars; they show credential.certificate',
  tls_client_key_file: 'is used by Pomerium and not by sidecars; they use credential.key',

  circuit_breaker_thresholds: balancing,
  health_checks: balancing,
  healthy_panic_threshold: balancing,
  outlier_detection: balancing,
  lb_policy: balancing,
  load_balancing_policy: balancing,
  least_request_lb_config: balancing,
  maglev_lb_config: balancing,
  ring_hash_lb_config: balancing,
}

const orElse = 'is not served by this release, and without it others could get in or be trusted'

/** Ignoring these could change who gets in, or what is trusted: errors. */
export const refusedPomeriumKeys: Readonly<Record<string, string>> = {
  redirect: `${orElse}: let Pomerium redirect, and remove the route here`,
  response: `${orElse}: let Pomerium answer, and remove the route here`,
  regex_priority_order: `${orElse}: put the route into its place, the first that matches is taken`,
  sub_policies: `${orElse}: write its rules under policy`,
  mcp: `${orElse}: remove it here`,
  upstream_tunnel: `${orElse}: remove it here`,
  kubernetes_service_account_token: secret,
  kubernetes_service_account_token_file: `${orElse}: remove it here`,
  enable_google_cloud_serverless_authentication: `${orElse}: remove it here`,
  tls_skip_verify:
    'is not served: sidecars verify every certificate; give the upstream one that can be verified',
  tls_custom_ca: `${orElse}: write it to a file, and give its name by tls_custom_ca_file`,
  tls_client_key: secret,
  tls_downstream_client_ca: `${orElse}: use issuers[].edges to say from where users come`,
  tls_downstream_client_ca_file: `${orElse}: use issuers[].edges to say from where users come`,
  idp_client_secret: secret,
}

/** Whether a value asks for nothing: `tls_skip_verify: false` is what sidecars do. */
export function asksForNothing(value: unknown): boolean {
  return value === false || value === null || value === '' || (Array.isArray(value) && value.length === 0)
}
