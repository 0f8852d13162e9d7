#!/usr/bin/env bash
# What needs tools of its own: advisories, licences and sources (cargo-deny), unused crates (cargo-machete), typos.
# A tool that is not there is named with the line that installs it; what is there is run.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

status=0
check() {
  local tool=$1 package=$2
  shift 2
  if command -v "$tool" >/dev/null 2>&1; then
    echo "== $*"
    "$@" || status=1
  else
    echo "== $tool is missing: cargo install --locked $package"
    status=1
  fi
}
check cargo-deny cargo-deny cargo deny --all-features check
check cargo-machete cargo-machete cargo machete
check typos typos-cli typos
exit $status
