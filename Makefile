# The two commands: `make demo` shows the chain, `make test` proves it. Both install what they need.

SHELL := /bin/sh
BIN := node_modules/.bin
NODE := $(BIN)/node
BUNDLE := dist/onbehalf.cjs
APPS := test/apps/node_modules/.installed
CLIENTS := curl=curl openssl=openssl wget=wget python3=python3 chromium=chromium h2load=nghttp2-client promtool=prometheus
STORES := redis-server=redis-server
NETWORK := iptables=iptables ip=iproute2 setpriv=util-linux
IMAGES := buildah=buildah strip=binutils zstd=zstd
SOURCES := $(shell find sidecar shared deploy/bundle deploy/cli deploy/kubernetes deploy/observability deploy/preload deploy/redis -type f) package.json

.DEFAULT_GOAL := help
.PHONY: help demo test check format build image unit prepared packages soak fuzz defences bench agents screenshots clean

help: ## Show this list.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile

demo: build ## Pomerium stand-in, three apps, three sidecars: the chain, the attacks, then curl lines to try. CI=1 asserts and ends. STORE=redis: Redis killed and keys renewed under load.
	@$(if $(filter redis,$(STORE)),test/packages.sh $(STORES))
	@CI=$(CI) STORE='$(STORE)' exec $(NODE) deploy/demo/main.ts

test: ## Format, types, lint, import rules, and every test.
	@$(MAKE) --no-print-directory -j3 check prepared
	@$(MAKE) --no-print-directory unit

check: node_modules/.installed ## Format, types and lint.
	$(BIN)/oxfmt --check .
	$(BIN)/tsc -p .
	$(BIN)/tsc -p sidecar/admin/page
	$(BIN)/oxlint --type-aware --deny-warnings .

unit: prepared ## Every test.
	NODE_COMPILE_CACHE=$(CURDIR)/node_modules/.cache/compiled $(NODE) --test --test-concurrency=3 --test-timeout=900000 'test/**/*.test.ts'

# What tests need beside the sources: whatever of it can come at the same time.
prepared: build $(APPS) packages

packages:
	test/packages.sh $(CLIENTS) $(NETWORK) $(STORES) $(IMAGES)

soak: build $(APPS) ## The endurance tests, ten times as long. SOAK=10
	SOAK=$(or $(SOAK),10) $(NODE) --test --test-concurrency=1 'test/endurance/**/*.test.ts'

fuzz: node_modules/.installed ## Each parser of what others send beside another reader of the same, one after the other, guided by what is reached; cases that reach something new are kept in test/fuzz/corpus. SECONDS=600 for each; ONLY=requests (or another of test/fuzz).
	@for each in $(or $(ONLY),$(patsubst test/fuzz/%.test.ts,%,$(wildcard test/fuzz/*.test.ts))); do \
		FUZZ_SECONDS=$(or $(SECONDS),600) $(NODE) --test test/fuzz/$$each.test.ts || exit 1; done

defences: build ## Each attack of test/attacks on a copy without the defence that holds it off: its test must fail. ONLY=jwt-forged (or another).
	$(NODE) test/defences/main.ts

bench: build ## What is to be reached, beside nginx and HAProxy, into test/bench/results.json and chart.svg. ROUNDS=5 SECONDS=10 WARMUP=3 REQUESTS=1000000; ONLY=inbound (or another scenario, soak for one of MINUTES=60); PROFILE=1 for a CPU profile.
	test/packages.sh nginx=nginx-light haproxy=haproxy wrk=wrk taskset=util-linux $(STORES)
	@exec $(NODE) test/bench/main.ts

agents: build $(APPS) ## Real apps under real agents, the whole matrix, into the table of deploy/propagation/README.md.
	$(NODE) test/agents/main.ts

screenshots: build ## The inspector page over the demo's traffic, for the README.
	test/packages.sh chromium=chromium
	$(NODE) --test test/inspector/screenshots.ts

format: node_modules/.installed ## Rewrite the sources in the one format.
	$(BIN)/oxfmt .

build: $(BUNDLE) ## Bundle the sidecar into one file, what it seldom loads into others, and the preload.

image: build ## Both container images, without an engine, as OCI layouts in dist/image. BASE=scratch: on no base from a registry. ARCH=arm64: for that, into dist/image/arm64.
	test/packages.sh $(IMAGES) $(if $(filter arm64,$(ARCH)),aarch64-linux-gnu-strip=binutils-aarch64-linux-gnu)
	@ARCH=$(ARCH) deploy/image/build.sh dist/image$(if $(ARCH),/$(ARCH)) $$(sed -n 's/^  "version": "\(.*\)",/\1/p' package.json) $(BASE)

$(BUNDLE): node_modules/.installed $(SOURCES)
	npm run -s build

# The lockfile decides what is installed; the stamp says that it was.
node_modules/.installed: package-lock.json package.json
	npm ci --no-audit --no-fund
	touch $@

# The apps that tests run are a package of their own, with agents and older Nodes: 1 GB.
$(APPS): test/apps/package-lock.json test/apps/package.json
	npm ci --prefix test/apps
	touch $@

clean: ## Remove what was built and installed.
	rm -rf dist node_modules test/apps/node_modules
