# The suite of the dev cluster of containers makes one cluster and takes it away
# again; KEEP=1 leaves it for a look, and for the next run. E2E_RUN picks tests
# by name, KUBECTL another kubectl than the one that is built here. See doc.go.

## e2e: all of it in a kind cluster; needs a container engine, or root to install one
.PHONY: e2e
e2e: engine node-image build $(GOTESTSUM)
	TLSGW_BINARY=$(CURDIR)/$(BIN) KUBECTL=$${KUBECTL:-$$($(assets_provide) kubectl)} \
	  $(GOTESTSUM) --format testname -- -tags e2e -count=1 -timeout 30m $(if $(E2E_RUN),-run '$(E2E_RUN)') ./e2e/kind/
