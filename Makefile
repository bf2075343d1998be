# Every target works on a clean Debian machine with Go, git and make: what is
# missing is installed or built once, into a user cache keyed by version, where
# the next clone finds it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kubectl-tlsgw
BIN   := bin/kubectl-tlsgw

# Pinned build tools: e2e/tools/go.mod is their one list.
TOOLS          := $(CACHE)/tools-$(shell sha256sum e2e/tools/go.sum | cut -c1-12)
CONTROLLER_GEN := $(TOOLS)/controller-gen
GOLANGCI_LINT  := $(TOOLS)/golangci-lint
GOTESTSUM      := $(TOOLS)/gotestsum

# ENVOY, KUBEBUILDER_ASSETS and how they are made.
include e2e/assets/assets.mk
# engine, node-image, kubectl.
include e2e/node/node.mk
# The suite of the dev cluster of containers.
include e2e/kind/kind.mk
# Gateway API's conformance suite.
include e2e/conformance/conformance.mk

## build: compile bin/kubectl-tlsgw
.PHONY: build
build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(BIN) ./cmd/kubectl-tlsgw

## cross: compile for the systems that are released and that no test runs on
.PHONY: cross
cross: # go list -export compiles without linking, and what tests need besides is for Unix
	for os in darwin windows; do \
	  CGO_ENABLED=0 GOOS=$$os GOARCH=arm64 go list -trimpath -export -deps ./cmd/... >/dev/null; done

# make/main.go says what goes in and what comes out.
make_release = go run ./plugin/internal/release/make -version '$(VERSION)' -out 'dist/$(VERSION)'

## release: make dist/VERSION (archives, image, checksums), for VERSION=vX.Y.Z, a tag of this commit
.PHONY: release
release:
	$(make_release)

## release-push: push the image in dist/VERSION to IMAGE (default ghcr.io/tlsgw/kubectl-tlsgw)
IMAGE ?= ghcr.io/tlsgw/kubectl-tlsgw
.PHONY: release-push
release-push:
	$(make_release) -push '$(IMAGE)'

## demo: from nothing to a proven TLS connection: dev-up, originate, verify
.PHONY: demo
demo: build assets
	$(BIN) dev-up --driver local
	$(BIN) originate svc/nginx --sni example.com --expose example.com
	$(BIN) verify

## demo-down: end what demo started
.PHONY: demo-down
demo-down: build
	$(BIN) dev-down

## test: all tests; needs no container engine
.PHONY: test
test: assets $(GOTESTSUM)
	$(GOTESTSUM) --format pkgname-and-test-fails -- $(TESTFLAGS) ./...
	$(GOTESTSUM) --format testname -- -tags e2e -count=1 -p 1 -timeout 20m ./e2e/local/...

## fuzz: fuzz each target for FUZZTIME (default 30s)
FUZZTIME ?= 30s
.PHONY: fuzz
fuzz:
	for target in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9]+' $$target/*_test.go | cut -c6-); do \
	    go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$target; done; done

## bench: measure speed and memory; writes e2e/bench/RESULTS.md
.PHONY: bench
bench: build assets engine
	go run ./e2e/bench -binary $(BIN) -node-image "$$(e2e/node/node-image)" -out e2e/bench/RESULTS.md

## lint: the house rules that a machine can check
.PHONY: lint
lint: $(GOLANGCI_LINT)
	$(GOLANGCI_LINT) run ./...

## generate: deep copies, CRDs and what else is made from the Go types
.PHONY: generate
generate: $(CONTROLLER_GEN)
	PATH="$(TOOLS):$$PATH" go generate ./...

## check-generate: fail where generate would change a file, or go.mod is not tidy
.PHONY: check-generate
check-generate: generate
	go mod tidy -diff
	@if [[ -n "$$(git status --porcelain -- '*.go' templates)" ]]; then \
	  git status --short -- '*.go' templates; echo 'generated files differ: run make generate and commit the result'; exit 1; fi

## tools: the pinned build tools and the real binaries that tests run
.PHONY: tools
tools: assets $(CONTROLLER_GEN) $(GOLANGCI_LINT) $(GOTESTSUM)

$(CONTROLLER_GEN): package := sigs.k8s.io/controller-tools/cmd/controller-gen
$(GOLANGCI_LINT): package := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(GOTESTSUM): package := gotest.tools/gotestsum
$(CONTROLLER_GEN) $(GOLANGCI_LINT) $(GOTESTSUM):
	@echo "building $(@F) (once; kept in $(@D))"
	@mkdir -p $(@D)
	CGO_ENABLED=0 go build -C e2e/tools -o $@.part $(package)
	mv $@.part $@

## help: this list
.PHONY: help
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST) | column -t -s :
