#!/usr/bin/env bash
# The committed descriptions of the interfaces, made by the program from its own types.
#
#   scripts/contract.sh update   write docs/openapi.json and docs/asyncapi.json anew (make contract)
#   scripts/contract.sh check    fail when they are not what the program says (make check)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=${1:-}
case "$mode" in update | check) ;; *) sed -n '2,5s/^# \{0,1\}//p' "$0" && exit 2 ;; esac

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
# What the tests are built with serves here: nothing is compiled a second time with other features.
cargo test --quiet --workspace --no-run
for name in openapi asyncapi; do
  "${CARGO_TARGET_DIR:-target}/debug/consilium" "$name" >"$fresh/$name.json"
  if [ "$mode" = update ]; then
    cp "$fresh/$name.json" "docs/$name.json"
  elif ! diff -u "docs/$name.json" "$fresh/$name.json" | head -n 40; then
    echo "docs/$name.json is not what the program says: run make contract and commit it" >&2
    exit 1
  fi
done
