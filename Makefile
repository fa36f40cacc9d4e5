# What a developer runs. CI runs .ci/run, which calls the same targets.
GO ?= go
LINT = $(GO) tool -modfile=tools/go.mod golangci-lint

.PHONY: check test race lint format generate verify acceptance bench build clean

check: lint verify race ## everything that needs only Go

build: ## the program, in bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/sluice ./cmd/sluice

test: ## every Go test
	$(GO) test ./...

# SQLite is C that became Go: watching its memory too finds nothing of ours, and takes half as long again.
# Third-party clients, below test/, have time limits of their own.
race: ## every Go test, with the race detector; the longest tables in their short form
	$(GO) test -race -short -gcflags='modernc.org/...=-race=false' $$($(GO) list ./... | grep -v /test/)

lint: ## formatting and linters
	$(LINT) run ./...

format: ## rewrite what gofumpt would
	$(LINT) fmt ./...

generate: ## rewrite snapshots and generated documents
	$(GO) test ./toolkits/... ./internal/... ./agent/... -update

verify: ## go.mod is tidy
	$(GO) mod tidy -diff

acceptance: ## third-party clients against the real binary; installs them under .cache/
	test/acceptance/run

bench: ## the figures of docs/benchmarks.md
	$(GO) run ./bench

clean:
	rm -rf bin .cache
