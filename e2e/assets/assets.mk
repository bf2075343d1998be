# The real parts that dev clusters and tests run. Set TLSGW_ENVOY or
# KUBEBUILDER_ASSETS to use your own; else they are built or fetched once, into
# a cache of yours (see provide).
assets_provide := $(dir $(lastword $(MAKEFILE_LIST)))provide

ifndef KUBEBUILDER_ASSETS
KUBEBUILDER_ASSETS := $(shell $(assets_provide) --path kube)
endif
ifndef TLSGW_ENVOY
TLSGW_ENVOY := $(shell $(assets_provide) --path envoy)
endif
ENVOY := $(TLSGW_ENVOY)
export KUBEBUILDER_ASSETS TLSGW_ENVOY

.PHONY: assets assets-kube assets-envoy assets-nginx
assets: assets-kube assets-envoy assets-nginx ## get or build Envoy, etcd, kube-apiserver and nginx
assets-kube assets-envoy assets-nginx: assets-%:
	@$(assets_provide) $* >/dev/null
