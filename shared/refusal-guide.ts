// What each refusal means, who usually causes it, and what to change: for `onbehalf explain`, and the guide made of it.
import type { RefusalCode } from './errors.ts'

export interface RefusalAdvice {
  readonly means: string
  readonly causes: string
  readonly change: string
}

export const refusalGuide: Readonly<Record<RefusalCode, RefusalAdvice>> = {
  request_malformed: {
    means: 'What arrived is no HTTP request that every server reads in the same way.',
    causes:
      'A client that builds requests by hand, a proxy in between that rewrites them, or somebody who tries to smuggle one request inside another. Also: no Host or two of them, an absolute target that disagrees with Host, an upgrade with a body, an expectation other than 100-continue.',
    change: 'Send valid HTTP with one Host. The log names the fault under reason and cause.',
  },
  request_ambiguous: {
    means: 'The request could be read in two ways, and the two would be decided differently.',
    causes:
      'An identity header sent twice (also under another spelling, such as X_Pomerium_Jwt_Assertion), or a path with dot segments, doubled slashes, backslashes or their escapes where a route or a policy reads the path.',
    change:
      'Send each identity header once: an app that copies headers must replace and not append. Send paths in their normal form to routes with prefix, path, regex or an http_path policy.',
  },
  client_certificate_missing: {
    means:
      'The service takes calls in mutual TLS alone (mesh.tls: strict), and this one showed no certificate.',
    causes:
      'A caller without a sidecar, a route whose to is http:// and not https://, or a Pomerium without a client certificate.',
    change:
      'Write to: https://… in the route, so that the caller’s sidecar speaks TLS; give the caller a credential. For an edge in a trusted network: issuers[].edges.source_ip.',
  },
  client_certificate_invalid: {
    means: 'A certificate was shown that proves no account of this mesh.',
    causes:
      'It is by another CA than mesh.ca, has no SPIFFE id spiffe://<mesh.issuer>/<account> or several, or lacks digitalSignature.',
    change:
      'Issue it by mesh.ca with exactly one URI name; for an edge of another CA, add an entry to mesh.trust. The log of the called sidecar says which check failed.',
  },
  client_certificate_expired: {
    means: 'The certificate of the connection has ended, or has not begun.',
    causes: 'Whatever renews certificates has stopped, or the clocks differ.',
    change: 'Renew the certificate (the file is read anew by itself), and compare the clocks.',
  },
  client_certificate_revoked: {
    means: 'The key of the certificate was revoked.',
    causes: 'Somebody ran onbehalf revoke --kid for it.',
    change: 'Issue a certificate with a new key to the account.',
  },
  client_certificate_mismatch: {
    means: 'The assertion is of another account than the certificate of the connection.',
    causes: 'A stolen assertion, or two services that share an outbound sidecar.',
    change: 'Let each service call by its own sidecar, with its own certificate.',
  },
  assertion_missing: {
    means: 'The request says of nobody that they call, and the route wants to know.',
    causes:
      'It came past Pomerium and past any sidecar: a client on the inside, a health check, an app that ignores HTTP_PROXY.',
    change:
      'Users come through Pomerium; services call by their own sidecar (HTTP_PROXY=http://127.0.0.1:15001, or interception). Health checks belong to the probes listener. A route for everybody says allow_public_unauthenticated_access.',
  },
  assertion_anonymous: {
    means: 'Pomerium vouches that nobody is signed in, and the route needs somebody.',
    causes: 'A public route of Pomerium leads to a service that is not public.',
    change: 'Sign in, or let the policy of the route here admit anyone (accept).',
  },
  assertion_not_from_edge: {
    means: 'A user’s assertion came from where its issuer’s users do not come in.',
    causes:
      'A service that forwards a user’s token as if it were its own, or a Pomerium that moved to another address.',
    change:
      'Services call with their own account and carry the user in -For. Otherwise add the address or certificate to issuers[].edges.',
  },
  assertion_reused: {
    means: 'An assertion that counts once (issuers[].single_use) was presented again.',
    causes:
      'A client that repeats a request with the same headers, a replayed token, or a Pomerium that does not sign one for each request.',
    change:
      'Let each request go through Pomerium. If yours signs one assertion for many requests, use edges in place of single_use.',
  },
  assertion_malformed: {
    means: 'What stands in X-Pomerium-Jwt-Assertion is no JWT as Pomerium or a sidecar makes it.',
    causes:
      'An access token or an encrypted token in its place, a header that was cut or joined, a minted assertion with claims that a service account has not.',
    change: 'Send the token byte for byte. onbehalf token inspect says what is wrong with its form.',
  },
  assertion_signature: {
    means: 'The token was changed, or was signed by another key than it names.',
    causes: 'A forged or edited token, or two issuers that use the same key id.',
    change:
      'Get a fresh one. If all of them fail, compare issuers[].jwks with what the issuer signs by: onbehalf token verify.',
  },
  assertion_algorithm: {
    means: 'The token is signed by an algorithm that its issuer does not list; none is such a one.',
    causes: 'A forged token, or an issuer that signs by another algorithm than ES256 and RS256.',
    change: 'If it is yours, add the algorithm to issuers[].algorithms.',
  },
  assertion_key_unknown: {
    means:
      'No key is known for the key id of the token; of a service account: no certificate by mesh.ca for this account and key.',
    causes:
      'A forged token, keys that were rotated a moment ago, the wrong issuers[].jwks, or a caller whose certificate is by another CA or for another account.',
    change:
      'Compare onbehalf keys with the kid that onbehalf token inspect shows. For accounts: issue the certificate by mesh.ca, and let the route name the account.',
  },
  assertion_issuer: {
    means: 'The iss of the token is none of issuers[].issuer, and no mesh.',
    causes:
      'A token of another environment, or an issuer form that was not expected: Pomerium writes the host or the URL of the route.',
    change: 'Write issuer: [hostOnly, uri], or the exact string that onbehalf token inspect shows.',
  },
  assertion_audience: {
    means: 'The token was made for another service.',
    causes:
      'An assertion passed on to the next service, a Pomerium whose route has another from than the mesh file, or a caller whose route points to the wrong to.',
    change:
      'Call with an assertion for this service’s own host. The aud of the token must be the host of from of one of its routes.',
  },
  assertion_expired: {
    means: 'The token has expired, 60 s of skew included.',
    causes:
      'A request that waited, a page that was open for long, or clocks that differ. Pomerium’s tokens live five minutes.',
    change: 'Get a fresh one; compare the clocks: onbehalf check shows that of the issuer.',
  },
  assertion_not_yet_valid: {
    means: 'The token begins in the future, beyond 60 s of skew.',
    causes: 'The clock of the issuer, or of this machine, is wrong.',
    change: 'Set the clocks by NTP; onbehalf check shows that of the issuer.',
  },
  assertion_revoked: {
    means: 'The session, the subject, the token or the key was revoked.',
    causes: 'Somebody ran onbehalf revoke, such as at a logout.',
    change: 'Sign in again; for an account, issue a certificate with a new key.',
  },
  original_user_malformed: {
    means: 'What stands in X-Pomerium-Jwt-Assertion-For is no JWT as Pomerium makes it.',
    causes: 'An app that sets the header itself, with something else in it.',
    change:
      'Copy the user’s X-Pomerium-Jwt-Assertion byte for byte, or let the sidecar do it: the app need not set the header at all.',
  },
  original_user_signature: {
    means: 'The original user’s token was changed, or was signed by another key than it names.',
    causes: 'A forged or edited token.',
    change: 'Carry the token byte for byte; onbehalf token verify shows which key was expected.',
  },
  original_user_algorithm: {
    means: 'The original user’s token is signed by an algorithm that its issuer does not list.',
    causes: 'A forged token, or an issuer that signs by another algorithm than ES256 and RS256.',
    change: 'If it is yours, add the algorithm to issuers[].algorithms.',
  },
  original_user_key_unknown: {
    means: 'No key is known for the key id of the original user’s token.',
    causes:
      'A forged token, an issuer that only the entry service knows, or keys that were rotated a moment ago.',
    change: 'Give every service the same issuers; compare onbehalf keys with the kid of the token.',
  },
  original_user_issuer: {
    means: 'The iss of the original user’s token is none of issuers[].issuer.',
    causes: 'A token of another environment, or a service account’s where a user’s is due.',
    change: 'Give every service the same issuers. Only users are carried in -For.',
  },
  original_user_audience: {
    means: 'The user came in by a route whose users are not accepted here.',
    causes:
      'The accept_for of the called route leaves the entry route out, or the token is for a host that no route of the file has.',
    change: 'Add the entry route to accept_for of the called route, if its users should get here.',
  },
  original_user_expired: {
    means: 'The original user’s token expired on the way.',
    causes: 'Work that takes longer than the token lives, such as a queue, or clocks that differ.',
    change:
      'mesh.original_user_grace lets a user’s token count for longer where evidence shows that it was valid at the entry.',
  },
  original_user_not_yet_valid: {
    means: 'The original user’s token begins in the future, beyond 60 s of skew.',
    causes: 'The clock of the issuer, or of this machine, is wrong.',
    change: 'Set the clocks by NTP; onbehalf check shows that of the issuer.',
  },
  original_user_revoked: {
    means: 'The session, subject or token of the original user was revoked.',
    causes: 'Somebody ran onbehalf revoke, such as at a logout, while the user’s request was under way.',
    change: 'The user signs in again. Nothing is to be changed.',
  },
  policy_denied: {
    means: 'The caller is who they say, and the policy of the route does not allow them.',
    causes:
      'A user of another domain or group, a service that is not on the list, or a policy that asks for the original user where there is none.',
    change:
      'The log and onbehalf explain name the rule (detail). Change policy of the route, or call as somebody whom it allows.',
  },
  original_user_not_allowed: {
    means:
      'A -For came where none may: from a user, about somebody who is no user, or on a route with original_user: none.',
    causes:
      'A browser or an API client that sets X-Pomerium-Jwt-Assertion-For itself, which Pomerium passes on unread.',
    change:
      'Remove the header at the client. Only sidecars, and services with an account, call on behalf of users.',
  },
  original_user_required: {
    means:
      'The route is called on behalf of a user only, and no user is behind this call, or an agent’s word alone where the route says explicit.',
    causes:
      'An app without an agent and without the preload, a job of the service’s own, or a request that came in anonymous.',
    change:
      'Run the app under an OpenTelemetry agent or the preload, or copy x-onbehalf-handle into the call. For the service’s own jobs: original_user: optional.',
  },
  original_user_ambiguous: {
    means: 'What the call carries belongs to several requests, so whose it is cannot be told.',
    causes:
      'An agent that mixed up two requests (a saturated pool, a cold gRPC channel), a batch for several users, a service account’s assertion copied without -For.',
    change:
      'Load the preload, or copy x-onbehalf-handle from the one request that the call serves; make one call for each user where a batch mixes them. onbehalf explain shows what each source says.',
  },
  original_user_lost: {
    means: 'The request that the call belongs to has ended, or never came to this sidecar.',
    causes:
      'Work that the app does long after it answered, from a queue or in another pod; an app that names a user who never came in.',
    change:
      'Make the call while the request runs or within timeouts.linger, or raise that; for queues and other pods: share_with.',
  },
  evidence_missing: {
    means: 'A service calls on behalf of a user and does not show the way that the user’s request took.',
    causes:
      'The call went past the caller’s sidecar, a service on the way has mesh.evidence: off or no certificate, or a token was replayed.',
    change:
      'Let every service on the way run a sidecar with a certificate, and mesh.evidence be the same everywhere.',
  },
  evidence_invalid: {
    means: 'The links of the way do not fit: each other, the user’s token, the caller or this route.',
    causes:
      'A token or links taken from another request, a service that is not where the mesh file says, a revoked key, or more hops than mesh.max_hops.',
    change:
      'onbehalf verify-chain shows which link is wrong, and why. Give all sidecars the same routes and accounts.',
  },
  egress_denied: {
    means: 'The mesh file does not let this call out.',
    causes:
      'A host that no route names under egress.unlisted: deny, or an address of this machine or its own network under egress.local: deny.',
    change:
      'Name the host in a route, or allow it: egress: {unlisted: allow} or {local: allow} for this service.',
  },
  call_not_allowed: {
    means: 'The route is not among those that this service may call.',
    causes:
      'The calls of the service leave it out; or the app opens a tunnel (CONNECT, https:// by the proxy) to a host of the mesh, in which nothing can be attached.',
    change:
      'Add the route to calls, or call it by http://: the sidecar makes it TLS where the route says so.',
  },
  route_not_found: {
    means:
      'No route of the service takes this path; as 421: the request would come to the sidecar itself, or passed it before.',
    causes: 'A prefix, path or regex that does not match, or a route whose to is the sidecar’s own address.',
    change:
      'Compare the path with the routes that onbehalf validate prints. For 421: to is where the called sidecar listens, app is where the app does.',
  },
  body_too_large: {
    means: 'The body of the request is larger than limits.body_bytes.',
    causes: 'An upload that was not thought of.',
    change: 'Raise limits.body_bytes of the service; 0 is no limit.',
  },
  headers_too_large: {
    means: 'The headers are larger, or more, than limits.header_bytes and limits.headers.',
    causes: 'Many or large cookies, a long chain of services, or somebody who tries it.',
    change: 'Raise limits.header_bytes (from the next start on) or limits.headers.',
  },
  upstream_refused: {
    means: 'The app, or the called service, takes no connection.',
    causes: 'It is not running, listens elsewhere, is starting, or shows a certificate that does not count.',
    change:
      'Compare app, or to of the route, with where it listens: onbehalf check tries it. The log has the cause.',
  },
  upstream_reset: {
    means: 'The app, or the called service, ended the connection before it had answered.',
    causes: 'It crashed, was restarted, or closes idle connections sooner than it says.',
    change: 'Look at its own log at that time. What may have been carried out is not sent again.',
  },
  upstream_invalid: {
    means: 'What answered did not speak HTTP as it must.',
    causes:
      'Another protocol on that port (TLS where http:// is written, HTTP/2 where HTTP/1.1 is), or two lengths in one answer.',
    change: 'Compare the scheme of app or to with what is spoken there: http, https or h2c.',
  },
  upstream_timeout: {
    means: 'The app, or the called service, took longer than it may.',
    causes: 'A slow answer, or an address where nobody answers at all.',
    change:
      'timeouts.connect, timeouts.response, timeouts.idle of the service, or timeout of the route: 0s is no limit.',
  },
  keys_unavailable: {
    means: 'The keys that would decide cannot be had now, so it is neither yes nor no.',
    causes:
      'The issuer cannot be reached, the store is away, or revocations were not heard of for revocation_max_age.',
    change: 'onbehalf check says what does not answer. It comes back by itself.',
  },
  credential_unavailable: {
    means: 'The service has nothing to call with.',
    causes:
      'No credential in its entry, a certificate that expired or was revoked, a token file that is missing; or the app’s own Authorization stands where the token must.',
    change:
      'Give credential.certificate and key (via: mesh) or token_file (via: pomerium); onbehalf check says what is wrong with them. token_form: header leaves Authorization to the app.',
  },
  session_unavailable: {
    means:
      'There is no memory for another request’s identity, or another pod’s session cannot be looked up now.',
    causes: 'More requests under way than limits.session_bytes holds, or a store that is away.',
    change: 'Raise limits.session_bytes, or see to the store: onbehalf check.',
  },
  overloaded: {
    means: 'The sidecar has more to do than it may.',
    causes:
      'More requests than its one thread can carry (the metric onbehalf_shedding is 1), a slow app that lets requests pile up, a flood of bad certificates, or a failure of the sidecar itself (the log says so).',
    change:
      'Add replicas, or give it more of a core (limits.queue_delay says when load is shed). For a slow app raise limits.concurrent_requests and limits.connections. Callers try again after Retry-After.',
  },
  draining: {
    means: 'The sidecar is stopping.',
    causes: 'A deployment, or SIGTERM.',
    change:
      'Nothing, if callers try again. timeouts.drain_delay keeps it serving until no more requests come.',
  },
}

/** For a terminal. */
export function formatAdvice(code: RefusalCode, status: number): string {
  const { means, causes, change } = refusalGuide[code]
  return `${code} (${status})\n  means   ${means}\n  causes  ${causes}\n  change  ${change}\n`
}
