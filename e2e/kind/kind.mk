# The suite of the dev cluster of containers makes one cluster and takes it away
# again; KEEP=1 leaves it for a look, and for the next run. Before it, dev-up's
# TestEngine* see how it stops, with clusters of their own. E2E_RUN picks tests
# of both by name, KUBECTL another kubectl than the one that is built here. See
# doc.go.

# One gotestsum counts both. The other tests of dev-up are those of make test.
e2e_test := go test -json -tags e2e -count=1 -run "$$E2E_RUN"

## e2e: all of it in a kind cluster; needs a container engine, or root to install one
.PHONY: e2e
e2e: engine node-image build $(GOTESTSUM)
	TLSGW_BINARY=$(CURDIR)/$(BIN) KUBECTL=$${KUBECTL:-$$($(assets_provide) kubectl)} \
	  $(GOTESTSUM) --format testname --raw-command -- $(SHELL) -c \
	    '$(e2e_test) -timeout 10m -skip "^Test[^E]" ./plugin/devup && $(e2e_test) -timeout 30m ./e2e/kind/'
