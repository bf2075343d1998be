# A container engine, and kind's node image in it: see README.md.
node_folder := $(dir $(lastword $(MAKEFILE_LIST)))

## engine: ensure that a container engine answers; root on Debian gets one
.PHONY: engine
engine:
	@$(node_folder)engine >/dev/null

## node-image: ensure that the engine has kind's node image; pulled, or else made
.PHONY: node-image
node-image:
	@$(node_folder)node-image >/dev/null

## kubectl: build a kubectl of the cluster's version into the cache
.PHONY: kubectl
kubectl:
	@$(assets_provide) kubectl
