# Two commands for people who build localcloud: `make run` and `make test`. The rest is listed by `make help`.

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
RACE     ?= -race
TESTTIME ?= 20m

PROGRAM = bin/localcloud$(shell go env GOEXE)
MAIN    = ./cloud/cmd/localcloud

# What must compile with its tests: one of each system and word size, which go vet compiles on its way, and the boards that
# the program runs on most. Which systems get an archive stands in cloud/cmd/localcloud/internal/dist.
CROSS = linux/arm/6 linux/arm64
VET   = linux/386 darwin/arm64 windows/amd64

export CGO_ENABLED = 0

.DEFAULT_GOAL = help
.PHONY: help run build setup check check-here format vet cross console race test dist bench fuzz soak clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## start a cloud with a virtual Photon and print what to try (ARGS="--http :9090" adds flags)
	@exec $(PROGRAM) demo $(ARGS)

build: ## build bin/localcloud, with the console in it where Node.js is there
	@.ci/console
	go build -trimpath -buildvcs=false -ldflags '-s -w -X main.release=$(VERSION)' -o $(PROGRAM) $(MAIN)

setup: ## install what the checks need (needs the network; as root with apt-get also Debian packages)
	@.ci/setup

check: ## everything that must hold, without a network where the machine allows that
	@.ci/offline $(MAKE) --no-print-directory check-here

test: ## make setup, then make check
	@$(MAKE) --no-print-directory setup
	@$(MAKE) --no-print-directory check

dist: ## archives for every system, with sums, in dist/
	@rm -rf dist
	@.ci/console
	go run $(MAIN)/internal/dist -version '$(VERSION)' -out dist

bench: build ## benchmarks (BENCH=pattern), then the whole program under load (SCENARIO="idle storm", ARGS="--devices 5000")
	go test -run '^$$' -bench '$(or $(BENCH),.)' -benchmem ./...
	$(PROGRAM) bench $(SCENARIO) $(ARGS)

fuzz: ## fuzz every target for FUZZTIME each (FUZZTIME=1m; 5s unless told)
	@.ci/fuzz

soak: ## what takes too long for make test: tests with the build tag soak, then ten minutes of fuzzing for each target
	CGO_ENABLED=1 go test $(RACE) -count 1 -tags soak -timeout 12h ./...
	@FUZZTIME=$${FUZZTIME:-10m} .ci/fuzz

clean: ## remove what was built
	rm -rf bin dist

# The parts of make check, cheapest first.

check-here: format vet cross console race fuzz

format:
	@echo '# gofmt'
	@found=$$(find . -name node_modules -prune -o -name '*.go' -print | xargs gofmt -l -s); \
	if [ -n "$$found" ]; then echo "gofmt -s would change:"; echo "$$found"; exit 1; fi

vet:
	go vet ./...
	go tool staticcheck ./...

cross:
	@failed=; \
	for target in $(CROSS); do \
		echo "# go build for $$target"; \
		set -- $$(echo $$target | tr / ' '); \
		GOOS=$$1 GOARCH=$$2 GOARM=$${3:-} go build -trimpath -buildvcs=false ./... || failed="$$failed $$target"; \
	done; \
	for target in $(VET); do \
		echo "# go vet for $$target"; \
		GOOS=$${target%/*} GOARCH=$${target#*/} go vet -trimpath ./... || failed="$$failed $$target"; \
	done; \
	if [ -n "$$failed" ]; then echo "cross: failed:$$failed" >&2; exit 1; fi

console: build
	@echo '# the console: types, units, size, and in a browser'
	cd webui && npm run --silent types && npm run --silent unit && npm run --silent size && npm run --silent browser

# A process with the race detector waits a second at its end for races that others still report; the tests end hundreds.
race: export GORACE = atexit_sleep_ms=50
race:
	CGO_ENABLED=1 go test $(RACE) -timeout $(TESTTIME) ./...
	@echo '# what the race detector makes too slow'
	go test -timeout $(TESTTIME) -run TestAThousand ./cloud/cmd/localcloud
