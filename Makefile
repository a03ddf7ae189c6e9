# Ringfence: build, run, test. Works on a fresh Debian machine with Go, git and make, as root.

GO      ?= go
BIN     := bin
RUNSC   := $(BIN)/runsc
PROGRAM ?= /bin/sh -c 'echo "Hello from $$(uname -srm), pid $$$$ of $$(ls -d /proc/[0-9]* | wc -l)"; head -1 /etc/os-release'

.PHONY: help all build run test vet race fuzz accept bench clean deps-run deps-test deps-bench

help: ## what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

all: build

build: ## bin/runsc, one static binary
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build -trimpath -o $(RUNSC) ./runsc

run: deps-run build ## build, then run a program in the sandbox: make run PROGRAM='python3 -V'
	$(RUNSC) do -- $(PROGRAM)

test: deps-test build vet ## every test; installs the programs that the tests run
	$(GO) test -p 1 -timeout 14m ./...
	$(MAKE) --no-print-directory race

vet:
	$(GO) vet ./...

race: ## the packages that the race detector can follow
	CGO_ENABLED=1 $(GO) test -race -short -p 1 -timeout 10m $(RACE)

accept: build ## only the tests that run real programs
	$(GO) test -v -timeout 30m ./tools/acceptance/

fuzz: ## each fuzz target for FUZZTIME (default 30s)
	@tools/fuzz.sh $(or $(FUZZTIME),30s)

sysfuzz: build ## random system calls from inside a sandbox: make sysfuzz CALLS=1000000
	$(GO) run ./tools/sysfuzz --runsc $(RUNSC) --calls $(or $(CALLS),100000) $(if $(SEED),--seed $(SEED))

bench: deps-bench build ## what the sandbox costs, against the host: make bench BENCH='--only calls --rounds 3'
	$(GO) run ./tools/bench --runsc $(RUNSC) $(BENCH)

clean:
	rm -rf $(BIN)

# What runs in the sentry and the gofer. The platforms' own tests take too long under the race detector.
RACE := ./abi/... ./gofer/... ./sentry/...

deps-run:
	@tools/install.sh run

deps-test:
	@tools/install.sh test

deps-bench:
	@tools/install.sh bench
