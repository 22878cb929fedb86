# Aliases only; `make` prints them.
GO ?= go
SEEDS ?= 1000
FUZZTIME ?= 10s
EXPLORETIME ?= 10m

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

build: ## ./drystone
	$(GO) build -o drystone ./cmd/drystone

quick: ## format, vet and the short tests; under a minute
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run: make fix"; exit 1; }
	$(GO) vet ./...
	$(GO) test -short ./...

check: ## everything a reviewer asks for, without writing to the tree
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run: make fix"; exit 1; }
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) vet -tags invariants ./raft
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	$(GO) test -count=1 ./internal/tidy

fix: ## format the tree and tidy go.mod
	gofmt -w .
	$(GO) mod tidy

golden: ## rewrite the golden scripts; read the diff, commit only what you can explain
	$(GO) test ./sim -run TestScripts -rewrite
	$(GO) test ./raft -run Scripts -rewrite
	@git --no-pager diff --stat -- raft/testdata

test: ## all tests, race detector on
	$(GO) test -race -timeout 14m ./...

sim: ## SEEDS=1000 simulated clusters
	$(GO) run ./cmd/drystone sim --seeds $(SEEDS)

explore: ## all histories of small clusters, EXPLORETIME=10m for each of the bounds
	$(GO) test -count=1 -timeout 0 -v ./explore -run NothingIsBroken -explore.time $(EXPLORETIME)

mutants: ## plants each bug of mutants/testdata and sees who notices; MUTANTS='-only A1,B1'; half an hour
	$(GO) run ./mutants -write $(MUTANTS)

# A run may end with "context deadline exceeded" and no input (go.dev/issue/75804, mended in Go 1.27):
# what a run has found fails again when the corpus is tested.
fuzz: ## every decoder, FUZZTIME=10s each
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$f"; \
	    $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s $$pkg || \
	      $(GO) test -count=1 -run "^$$f$$" $$pkg || exit 1; \
	  done; done

bench: ## benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: help build quick check fix golden test sim explore mutants fuzz bench
.DEFAULT_GOAL := help
