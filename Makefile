# Needs Go 1.26, Python 3.11 (emulators), Node 20 (CDK), bash and a C compiler (race detector). What else is used is
# installed pinned and hash-checked into the user's cache, or into infra/node_modules.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rotationguard
LINT_VERSION := v2.15.0
LINT := $(CACHE)/golangci-lint-$(LINT_VERSION)/golangci-lint
BENCHSTAT_VERSION := v0.0.0-20260908200009-22c9c6c9d4da
BENCHSTAT := $(CACHE)/benchstat-$(BENCHSTAT_VERSION)/benchstat
FUZZ_SECONDS := 60
comma := ,

# A function is shipped when it has a main.go.
FUNCTIONS := $(patsubst functions/%/main.go,%,$(wildcard functions/*/main.go))
ARCHITECTURES := arm64 amd64
OURS := ./pkg/... ./scripts/... $(addprefix ./,$(if $(FUNCTIONS),functions/...))

# Tests never meet a real account: no profile, no instance credentials, no endpoint from the caller.
CLEAN_ENV := env -u AWS_PROFILE -u AWS_ENDPOINT_URL -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY -u AWS_SESSION_TOKEN \
	-u AWS_REGION -u AWS_DEFAULT_REGION AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null \
	AWS_EC2_METADATA_DISABLED=true

# The CDK's runtime prints a banner of twenty lines for Node 20.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20

.PHONY: help
help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: demo
demo: ## a broken account on a local emulator, swept, repaired and swept again
	go run ./scripts/demo

.PHONY: demo-deployed
demo-deployed: ## the stack deployed to a local emulator: it sweeps, tells, and mends what an event concerns
	@scripts/build.sh "$$(go env GOARCH)" sweep
	go run ./scripts/demo deployed

.PHONY: build
build: ## the Lambda functions, as dist/FUNCTION/ARCHITECTURE/bootstrap
	@scripts/build.sh "$(ARCHITECTURES)" $(FUNCTIONS)

.PHONY: emulators
emulators: ## install moto, ministack and what reads the formats that others define into the user's cache
	@scripts/emulators.sh install moto >/dev/null
	@scripts/emulators.sh install ministack >/dev/null
	@scripts/emulators.sh install formats >/dev/null

.PHONY: browser
browser: ## find or install Chromium, which the tests of the HTML report open it in
	@scripts/browser.sh >/dev/null

infra/node_modules: infra/package-lock.json
	npm --prefix infra ci --no-audit --no-fund --silent
	@touch infra/node_modules

# Tests that take minutes carry the build tag long and "Long" in their name; test-long runs those and nothing else.
.PHONY: test
test: build emulators browser infra/node_modules ## all tests but the long ones
	@policies=$$(scripts/emulators.sh managed-policies); \
	$(CLEAN_ENV) ROTATIONGUARD_MANAGED_POLICIES="$$policies" go test -timeout 15m ./...

.PHONY: test-long
test-long: build emulators infra/node_modules ## the long tests
	@policies=$$(scripts/emulators.sh managed-policies); \
	$(CLEAN_ENV) ROTATIONGUARD_MANAGED_POLICIES="$$policies" ROTATIONGUARD_LONG=1 go test -timeout 30m -tags long -run Long ./...

.PHONY: test-faults
test-faults: ## repair under every fault and kill at every point, as a table; a quarter of an hour
	@$(CLEAN_ENV) ROTATIONGUARD_FAULTS=all go test -timeout 90m -tags long -run 'TestLongFaults|TestLongCrashes' -v ./pkg/repair | grep -Ev '^ *(=== |--- PASS)'

.PHONY: check
check: lint tidy race fuzz ## formatting, vet, staticcheck, wrapped errors, closed sets, tidy, race, a minute of fuzz

.PHONY: lint
lint: $(LINT) ## formatting and static analysis
	$(LINT) run

$(LINT):
	GOBIN=$(@D) GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

.PHONY: tidy
tidy: ## go.mod and go.sum hold what is used, and nothing else
	go mod tidy -diff

.PHONY: race
# pkg/policy starts no goroutine: of its tests only those of what is shared between callers run here, not the thousands of random cases.
race: emulators ## our packages' tests under the race detector
	@policies=$$(scripts/emulators.sh managed-policies); \
	$(CLEAN_ENV) ROTATIONGUARD_MANAGED_POLICIES="$$policies" go test -race -short -timeout 15m $$(go list $(OURS) | grep -v '/pkg/policy$$')
	$(CLEAN_ENV) go test -race -timeout 5m -run 'Parse|Facts|Nearest|Compile|Kind' ./pkg/policy

.PHONY: fuzz
fuzz: ## every fuzz target for its share of FUZZ_SECONDS
	@$(CLEAN_ENV) scripts/fuzz.sh $(FUZZ_SECONDS)

# The sweep exits 2: the example is an account with drift.
.PHONY: screenshots
screenshots: browser ## the README's picture; pictures of the example's HTML report, in out/screenshots
	@go test ./scripts/rotationguard -run TestReadmeShowsWhatTheCommandPrints -update
	@mkdir -p out
	@go run ./scripts/rotationguard sweep --snapshot examples/account.json --config examples/rotationguard.yaml --output html --out out/report.html || test -s out/report.html
	@CHROMIUM=$$(scripts/browser.sh) node scripts/browser/screenshots.mjs out/report.html out/screenshots

.PHONY: bench
bench: bench-compare ## benchmarks; those of comparing and evaluating against the last kept figures
	@policies=$$(scripts/emulators.sh managed-policies); \
	$(CLEAN_ENV) ROTATIONGUARD_MANAGED_POLICIES="$$policies" go test -run '^$$' -bench . -benchmem $$(go list ./pkg/... | grep -v '/pkg/policy$$')

# The kept figures are of one machine, which they name: times compare with those of another one only roughly, allocations exactly.
.PHONY: bench-compare
bench-compare: emulators $(BENCHSTAT) ## comparing and evaluating, six times each, against docs/benchmarks.txt; KEEP=1 keeps the new figures there
	@mkdir -p out
	@policies=$$(scripts/emulators.sh managed-policies); \
	$(CLEAN_ENV) ROTATIONGUARD_MANAGED_POLICIES="$$policies" go test -run '^$$' -bench 'Compare|Evaluate|Allows|Compile|Parse|Hostile|Managed' -benchmem -count 6 -benchtime 100ms ./pkg/policy | tee out/benchmarks.txt
	@$(BENCHSTAT) docs/benchmarks.txt out/benchmarks.txt
	@$(if $(KEEP),cp out/benchmarks.txt docs/benchmarks.txt)

$(BENCHSTAT):
	GOBIN=$(@D) GOFLAGS= go install golang.org/x/perf/cmd/benchstat@$(BENCHSTAT_VERSION)

# BENCH is what benchscale takes: BENCH="-speed 1 -only full" is one sweep at AWS's own pace, more than ten minutes long.
.PHONY: bench-scale
bench-scale: ## sweeps of accounts of up to 100,000 secrets with AWS's quotas and latencies, and under faults
	@$(CLEAN_ENV) go run ./scripts/benchscale $(BENCH)

.PHONY: bench-function
bench-function: ## the built function: package, initialization, and memory for 1,000 to 100,000 secrets
	@$(CLEAN_ENV) go test -run '^$$' -bench Function -benchtime 1x -timeout 30m ./functions/sweep

.PHONY: bench-target
bench-target: emulators ## how long the built function takes for one target of a fleet, at AWS's own pace: two minutes
	@$(CLEAN_ENV) go test -run '^$$' -bench Target -benchtime 3x -timeout 30m ./functions/sweep

.PHONY: bench-page
bench-page: browser ## how long Chromium takes to open, scroll and search the HTML report of 10,000 secrets
	@$(CLEAN_ENV) go test -run '^$$' -bench PageInChromium -benchtime 1x ./pkg/report

# Installs both tools, some hundred MB, into the user's cache at the first time.
.PHONY: bench-peers
bench-peers: emulators ## a sweep beside Cloud Custodian and prowler on one account: time, memory, calls, findings
	@$(CLEAN_ENV) go run ./scripts/benchscale -only peers

# CONFIG names the config, CONTEXT holds what else docs/deploy.md lists: CONTEXT="schedule=rate(1~hour) window=5", with ~ for a space.
CDK_CONTEXT = $(if $(CONFIG),--context config=$(CONFIG)) $(foreach value,$(CONTEXT),--context "$(subst ~, ,$(value))")
# The bootstrap's qualifier, where CONTEXT gives one.
QUALIFIER = $(patsubst qualifier=%,%,$(filter qualifier=%,$(CONTEXT)))

.PHONY: synth
synth: build infra/node_modules ## the CloudFormation templates, in cdk.out
	infra/node_modules/.bin/cdk synth --quiet $(CDK_CONTEXT)

.PHONY: template
template: build ## for users without CDK: CloudFormation template and code, in dist/template
	rm -rf dist/template
	CDK_OUTDIR=dist/template CDK_CONTEXT_JSON='{"selfContained":"true"$(if $(CONFIG),$(comma)"config":"$(CONFIG)")}' go run ./infra
	cd dist/template && rm -f manifest.json tree.json cdk.out *.assets.json && ls

.PHONY: man
man: ## the manual pages, in dist/man; man -l dist/man/rotationguard.1 shows one
	mkdir -p dist/man
	go run ./scripts/rotationguard man --all dist/man

.PHONY: deploy
deploy: ## deploy with the config of CONFIG=rotationguard.yaml, after looking whether everything needed is there
	@QUALIFIER="$(QUALIFIER)" scripts/prerequisites.sh
	@$(MAKE) --no-print-directory build infra/node_modules
	infra/node_modules/.bin/cdk deploy --all --context region=current $(CDK_CONTEXT)

.PHONY: destroy
destroy: infra/node_modules ## remove what was deployed; key, ledger and reports stay
	infra/node_modules/.bin/cdk destroy --all --context region=current $(CDK_CONTEXT)

.PHONY: clean
clean: ## remove what was built here; the user's cache of emulators and tools stays
	rm -rf bin dist out cdk.out infra/node_modules scripts/browser/node_modules
