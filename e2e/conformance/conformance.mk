# The conformance suite of Gateway API makes a dev cluster of its own and takes it
# away again; KEEP=1 leaves it for a look, and for the next run, which heals it with
# the plugin as it is then. RUN picks tests by name (a regular expression), FEATURES
# others than the GatewayClass says (all, core, or a list), ARGS more flags of the
# suite. CLEANUP=0 leaves what a test has made. See reports/ for what it has to say.
conformance_folder := $(dir $(lastword $(MAKEFILE_LIST)))

# Compiled once for each version of the suite.
CONFORMANCE := $(CACHE)/conformance-$(shell cat $(addprefix $(conformance_folder)suite/,go.sum suite_test.go) | sha256sum | cut -c1-12)

# A release, or else the commit, as Go would call it.
conformance_version = $(shell git describe --tags --exact-match 2>/dev/null || \
  TZ=UTC git show --no-patch --abbrev=12 --date=format-local:%Y%m%d%H%M%S --format=v0.0.0-%cd-%h)$(shell git diff --quiet HEAD || echo +dirty)

conformance_run = go run ./$(conformance_folder) -binary $(BIN) \
  -suite $(CONFORMANCE)/suite -echo $(CONFORMANCE)/echo-basic -module $(conformance_folder)suite \
  -version "$(conformance_version)" -keep=$(if $(filter 1,$(KEEP)),true,false) \
  -cleanup=$(if $(filter 0,$(CLEANUP)),false,true) -run '$(RUN)'

## conformance: Gateway API's own suite, all that we say we support; needs a container engine
.PHONY: conformance
conformance: engine node-image build $(GOTESTSUM) $(CONFORMANCE)/suite $(CONFORMANCE)/echo-basic
	$(conformance_run) -features '$(FEATURES)' $(ARGS) | $(GOTESTSUM) --format testname --raw-command -- cat

## conformance-core: the part of it that is for core and for TLS to backends
.PHONY: conformance-core
conformance-core: FEATURES := core
conformance-core: conformance

$(CONFORMANCE)/suite: build := test -c
$(CONFORMANCE)/suite: package := .
$(CONFORMANCE)/echo-basic: build := build
$(CONFORMANCE)/echo-basic: package := sigs.k8s.io/gateway-api/conformance/echo-basic
$(CONFORMANCE)/suite $(CONFORMANCE)/echo-basic:
	@echo "building $(@F) of the conformance suite (once; kept in $(@D))"
	@mkdir -p $(@D)
	cd $(conformance_folder)suite && CGO_ENABLED=0 GOOS=linux go $(build) -trimpath -ldflags '-s -w' -o $@.part $(package)
	mv $@.part $@
