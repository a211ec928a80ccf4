// What holds each attack of test/attacks off: where it is taken out, the attack succeeds, and its test must fail.

export interface Defence {
  /** The name of the attack's file, without `.test.ts`. */
  readonly attack: string
  readonly file: string
  /** Stands in the file once. */
  readonly text: string
  /** What stands there instead where the defence is off. */
  readonly off: string
  /** Whether the attack is on the bundled program. */
  readonly isBundled?: boolean
}

export const defences: readonly Defence[] = [
  {
    attack: 'abandoned-requests',
    file: 'sidecar/inbound.ts',
    text: '      open?.close()\n      session.end()\n',
    off: '      open?.close()\n',
  },
  {
    attack: 'account-certificates',
    file: 'shared/certificate/chain.ts',
    text: 'return subject.certificate.verify(issuer.certificate.publicKey)',
    off: 'return true',
  },
  {
    attack: 'account-claims',
    file: 'shared/assertion/verify.ts',
    text: 'if (hasMore || hasOther || claims.user',
    off: 'if (claims.user',
  },
  {
    attack: 'admin-listener',
    file: 'sidecar/admin/guard.ts',
    text: 'if (!foreignOrigin && !foreignSite) return undefined',
    off: 'return undefined',
  },
  {
    attack: 'admin-secrets',
    file: 'sidecar/admin/token.ts',
    text: "{ mode: 0o600, flag: 'wx' }",
    off: "{ mode: 0o644, flag: 'wx' }",
  },
  {
    attack: 'canaries',
    file: 'shared/assertion/verify.ts',
    text: "  if (!signatureIsValid(algorithm, key.key, jws.signingInput, jws.signature)) {\n    throw fault(options, 'signature', 'its signature is wrong')",
    off: "  if (!signatureIsValid(algorithm, key.key, jws.signingInput, jws.signature)) {\n    throw fault(options, 'signature', `its signature is wrong: ${jws.signingInput}`)",
    isBundled: true,
  },
  {
    attack: 'cgi-variables',
    file: 'shared/headers/names.ts',
    text: "  'proxy',\n",
    off: '',
  },
  {
    attack: 'clock-steps',
    file: 'sidecar/unhurried-clock.ts',
    text: 'Math.min(now(), originMs + elapsedMs())',
    off: 'now()',
  },
  {
    attack: 'credentials-elsewhere',
    file: 'sidecar/tls/callee.ts',
    text: 'if (!accounts.has(account)) return',
    off: "if (account === '') return",
  },
  {
    attack: 'compressed',
    file: 'sidecar/http1/syntax.ts',
    text: "value.toLowerCase() !== 'chunked') throw codingNotTaken()",
    off: "!value.toLowerCase().endsWith('chunked')) throw codingNotTaken()",
  },
  {
    attack: 'cross-user',
    file: 'shared/sources.ts',
    text: '  if (!cameTogether || sources.some((source) => !sameCause(source.session, session))) throw disagreement()\n',
    off: '',
  },
  {
    attack: 'cut-exchanges',
    file: 'sidecar/http1/connection.ts',
    text: '    this.#isEnding = true\n    this.#current?.breakOff()\n',
    off: '    this.#isEnding = true\n',
  },
  {
    attack: 'debugger',
    file: 'sidecar/cli/run.ts',
    text: "  process.on('SIGUSR1', ignore)\n",
    off: '',
    isBundled: true,
  },
  {
    attack: 'dns-dead',
    file: 'sidecar/keys/fetch.ts',
    text: 'connect: { timeout: deadlineMs, ',
    off: 'connect: { ',
    isBundled: true,
  },
  {
    attack: 'egress-carrier',
    file: 'sidecar/local-routes.ts',
    text: "return [...readIpv4(read('/proc/net/fib_trie')), ...readIpv6(read('/proc/net/ipv6_route'))]",
    off: 'return []',
  },
  {
    attack: 'egress-listed',
    file: 'shared/target.ts',
    text: "const bare = host.endsWith('.') ? host.slice(0, -1) : host",
    off: 'const bare = host',
  },
  {
    attack: 'egress-local',
    file: 'sidecar/egress.ts',
    text: "if (rule.local === 'deny' && rule.localAddresses.has(address)) {",
    off: "if (rule.local === 'deny' && address === '127.0.0.1') {",
  },
  {
    attack: 'endless-blanks',
    file: 'shared/head.ts',
    text: 'export function trimBlanks(text: string): string {\n',
    off: "export function trimBlanks(text: string): string {\n  return text.replace(/^[ \\t]+|[ \\t]+$/g, '')\n",
  },
  {
    attack: 'endless-input',
    file: 'sidecar/http1/head-buffer.ts',
    text: '> this.#maxBytes) throw new HeadTooLarge()',
    off: '> Infinity) throw new HeadTooLarge()',
  },
  {
    attack: 'endless-interim-answers',
    file: 'sidecar/http1/reply.ts',
    text: "if (this.#incoming.version !== '1.1' || this.#socket.writableNeedDrain) return",
    off: "if (this.#incoming.version !== '1.1') return",
  },
  {
    attack: 'evidence',
    file: 'shared/evidence/rules.ts',
    text: 'if (link.previousHash !== previous.hash)',
    off: 'if (link.previousHash === undefined)',
  },
  {
    attack: 'exempt-paths',
    file: 'shared/inbound.ts',
    text: 'if (matches.length === 0 || !matches.every(isOpen)) {',
    off: "if (!path.endsWith('/healthz') && (matches.length === 0 || !matches.every(isOpen))) {",
  },
  {
    attack: 'first-bytes',
    file: 'shared/first-bytes.ts',
    text: "if (certainly.test(line) || proxyHeader.test(line)) return 'http'",
    off: "if (certainly.test(line)) return 'http'",
  },
  {
    attack: 'floods',
    file: 'sidecar/keys/issuer-keys.ts',
    text: 'if (sinceMs >= (this.#fruitless < floodedAfter ? freshMs : floodedMs)) return undefined',
    off: 'return undefined',
  },
  {
    attack: 'forwarded-names',
    file: 'shared/headers/forwarding.ts',
    text: 'const members = values.filter(isClosed)',
    off: 'const members = values',
  },
  {
    attack: 'full-disk',
    file: 'sidecar/cli/program.ts',
    text: "  stderr.on('error', () => undefined)\n",
    off: '',
    isBundled: true,
  },
  {
    attack: 'greedy-addresses',
    file: 'sidecar/fair-limit.ts',
    text: 'return !hasLittle || this.#held > limit',
    off: 'return !hasLittle || this.#held > 0',
  },
  {
    attack: 'half-written-files',
    file: 'sidecar/configuration.ts',
    text: 'if (!this.#endedInNewline || loaded.reading.endsInNewline !== false) return loaded',
    off: 'return loaded',
  },
  {
    attack: 'header-firewall',
    file: 'shared/headers/names.ts',
    text: "canonical.startsWith('x-pomerium-') ||",
    off: "canonical === 'x-pomerium-jwt-assertion' ||",
  },
  {
    attack: 'host-confusion',
    file: 'shared/target.ts',
    text: 'if (hosts.length > 1) throw',
    off: 'if (hosts.length > 2) throw',
  },
  {
    attack: 'hostile-redis',
    file: 'sidecar/store/redis-connection.ts',
    text: '    bounds.take(chunk)\n',
    off: '',
  },
  {
    attack: 'hostile-upstream',
    file: 'sidecar/http1/syntax.ts',
    text: 'if (!answerHead.test(text)) throw statusLineMalformed()',
    off: "if (text === '') throw statusLineMalformed()",
  },
  {
    attack: 'http2-abuse',
    file: 'sidecar/http2/server.ts',
    text: '      maxSessionRejectedStreams: maxInvalidFrames,\n      streamResetBurst: resets.burst,\n      streamResetRate: resets.perSecond,\n',
    off: '      maxSessionRejectedStreams: 1e6,\n      streamResetBurst: 1e6,\n      streamResetRate: 1e6,\n',
    isBundled: true,
  },
  {
    attack: 'http2-downgrade',
    file: 'sidecar/http2/head.ts',
    text: "name !== 'host' || value !== authority)",
    off: "name !== 'host' || value === '')",
  },
  {
    attack: 'http2-identity',
    file: 'shared/headers/firewall.ts',
    text: 'if (isTrailerName(canonical) && !isCanonicalIdentity(canonical, claimHeaders))',
    off: 'if (isTrailerName(canonical))',
  },
  {
    attack: 'ignored-upgrades',
    file: 'sidecar/http1/connection.ts',
    text: 'if (isLast || current?.isComplete !== true) {',
    off: 'if (current?.isComplete !== true) {',
  },
  {
    attack: 'inherited-names',
    file: 'sidecar/http2/head.ts',
    text: 'Object.create(null) as Record<string, string[]>',
    off: '{} as Record<string, string[]>',
  },
  {
    attack: 'interim-answers',
    file: 'sidecar/http1/upstream-connection.ts',
    text: "      if (!exchange.onSwitch(head)) throw new Unasked('a change of protocol that nobody asked for')\n",
    off: '      exchange.onSwitch(head)\n',
  },
  {
    attack: 'issuer-keys',
    file: 'shared/assertion/key-set.ts',
    text: "  if (use !== undefined && use !== 'sig') return undefined\n",
    off: '',
  },
  {
    attack: 'jwt-forged',
    file: 'shared/assertion/verify.ts',
    text: 'if (!signatureIsValid(algorithm, key.key, jws.signingInput, jws.signature)) {',
    off: 'if (jws.signature.length === 0) {',
  },
  {
    attack: 'jwt-read-twice',
    file: 'shared/assertion/jws.ts',
    text: 'if (countColons(text, hasBackslash) !== countMembers(value, hasBackslash))',
    off: 'if (countMembers(value, hasBackslash) < 0)',
  },
  {
    attack: 'kept-verdicts',
    file: 'shared/assertion/verify.ts',
    text: '  return accept(authentic, options)\n',
    off: '  return known === undefined ? accept(authentic, options) : known.assertion\n',
  },
  {
    attack: 'killed',
    file: 'sidecar/admin/token.ts',
    text: 'if (token.length < minTokenLength || /\\s/.test(token)) {',
    off: "if (token !== '') {",
    isBundled: true,
  },
  {
    attack: 'key-set-floods',
    file: 'sidecar/keys/fetch.ts',
    text: 'if (bytes > maxBytes) throw',
    off: 'if (bytes > Infinity) throw',
    isBundled: true,
  },
  {
    attack: 'lingering-refusals',
    file: 'sidecar/http1/linger.ts',
    text: 'socket.end(last, () => socket.destroy())',
    off: 'socket.end(last)',
  },
  {
    attack: 'made-sessions',
    file: 'sidecar/shared-sessions.ts',
    text: 'const members = signed === undefined ? undefined : this.#options.statements.read(service, signed)',
    off: "const members = signed === undefined ? undefined : JSON.parse(Buffer.from(signed.split('.')[1] ?? '', 'base64url').toString())",
  },
  {
    attack: 'memory-limit',
    file: 'sidecar/sessions.ts',
    text: 'if (maxBytes === 0 || this.#bytes + bytes <= maxBytes) return nowMs\n    let',
    off: 'if (maxBytes >= 0) return nowMs\n    let',
    isBundled: true,
  },
  {
    attack: 'path-confusion',
    file: 'shared/path.ts',
    text: 'export function isAmbiguousPath(target: string): boolean {\n',
    off: "export function isAmbiguousPath(target: string): boolean {\n  if (target !== '') return false\n",
  },
  {
    attack: 'pipelining',
    file: 'sidecar/http1/unread-requests.ts',
    text: 'return this.#waiting > maxWaiting',
    off: 'return this.#waiting > Infinity',
  },
  {
    attack: 'proxy-environment',
    file: 'sidecar/cli/admin-client.ts',
    text: '    agent: false,\n',
    off: '',
    isBundled: true,
  },
  {
    attack: 'public-routes',
    file: 'shared/inbound.ts',
    text: '!matches.every(isOpen)',
    off: '!matches.some(isOpen)',
  },
  {
    attack: 'repeated-credentials',
    file: 'shared/assertion/verify.ts',
    text: "if (unavailable || missing === 'unavailable') throw keysUnavailable()",
    off: 'if (unavailable && missing === undefined) throw keysUnavailable()',
  },
  {
    attack: 'repeated-fields',
    file: 'sidecar/http2/server.ts',
    text: 'strictSingleValueFields: false,',
    off: 'strictSingleValueFields: true,',
  },
  {
    attack: 'repetition',
    file: 'sidecar/http/repetition.ts',
    text: 'if (!upload.isRepeatable || !isWorthIt) throw error',
    off: 'throw error',
  },
  {
    attack: 'report-mode',
    file: 'sidecar/inbound.ts',
    text: 'const isUserLost = findings.sifted.claimed.assertionFor !== undefined && originalUser === undefined',
    off: 'const isUserLost = false',
  },
  {
    attack: 'request-smuggling',
    file: 'sidecar/http1/syntax.ts',
    text: "    if (at !== -1) throw new Malformed('The length of the body is said more than once.')\n",
    off: '',
  },
  {
    attack: 'reset-connections',
    file: 'sidecar/http1/connection.ts',
    text: "      .on('error', this.#onError)\n",
    off: '',
  },
  {
    attack: 'sessions',
    file: 'sidecar/sessions.ts',
    text: 'return nowMs < entry.expiresAtMs && nowMs < entry.lingersUntilMs',
    off: 'return nowMs < entry.lingersUntilMs',
  },
  {
    attack: 'single-use',
    file: 'sidecar/inbound.ts',
    text: 'if (issuer?.singleUse === true) runtime.usedTokens.use(caller)',
    off: 'void issuer',
  },
  {
    attack: 'stolen-leases',
    file: 'sidecar/store/redis-scripts.ts',
    text: "if redis.call('GET', KEYS[1]) == ARGV[1] then return",
    off: 'if KEYS[1] then return',
  },
  {
    attack: 'slow-readers',
    file: 'sidecar/http/answer.ts',
    text: 'if (!reply.write(chunk)) body.pause()',
    off: 'reply.write(chunk)',
    isBundled: true,
  },
  {
    attack: 'store-floods',
    file: 'sidecar/revocation-sync.ts',
    text: '    this.#options.list.overflow()\n',
    off: '',
  },
  {
    attack: 'store-writer',
    file: 'sidecar/certificates.ts',
    text: 'if (chain !== undefined && certifies(chain, keyId, trust(), now())) {',
    off: 'if (chain !== undefined) {',
  },
  {
    attack: 'trace-context',
    file: 'shared/headers/trace-context.ts',
    text: 'return plainKey(member.split(/[=;]/, 1)[0] as string) === ownKey',
    off: 'return member.startsWith(`${ownKey}=`)',
  },
  {
    attack: 'trace-context-spellings',
    file: 'shared/headers/trace-context.ts',
    text: 'const maxDecodings = 3',
    off: 'const maxDecodings = 0',
  },
  {
    attack: 'turns',
    file: 'sidecar/http1/unread-requests.ts',
    text: 'maxWaitingBytes = 256 * 1024',
    off: 'maxWaitingBytes = 1',
  },
  {
    attack: 'unfinished-heads',
    file: 'sidecar/http2/outlive.ts',
    text: 'if (connection !== undefined && of !== undefined) held.register(of, connection)',
    off: 'void [connection, of, held]',
  },
  {
    attack: 'upstream-confusion',
    file: 'sidecar/http2/sessions.ts',
    text: '    if (isElsewhere) setImmediate(forget)\n',
    off: '',
  },
]

/** Attacks that nothing of ours holds off, and what does. */
export const elsewhere: Readonly<Record<string, string>> = {
  descriptors: 'libuv keeps one descriptor back, and turns connections away with it',
}
