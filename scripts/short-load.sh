#!/usr/bin/env bash
# A server of its own, half a minute of consultations with reconnects, and a drain: the load generator checks
# the promises of the real-time contract against its own history, the figures do not matter here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-target}/debug
# What the tests are built with serves here: nothing is compiled a second time with other features.
cargo test --quiet --workspace --no-run

files=$(mktemp -d)
chmod 711 "$files"
server=
finish() {
  [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
  rm -rf "$files"
}
trap finish EXIT

"$target/consilium" serve --demo --listen 127.0.0.1:0 --data-dir "$files/data" >"$files/log" 2>&1 &
server=$!
url=
# Making a database may take a busy machine minutes; a server that ends is not waited for.
for _ in $(seq 1800); do
  url=$(sed -n 's/^listening on \(http:[^ ]*\).*/\1/p' "$files/log")
  [ -z "$url" ] || break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
if [ -z "$url" ]; then
  tail -n 20 "$files/log" >&2
  echo "the server did not start" >&2
  exit 1
fi

"$target/loadtest" run --target "$url" --sessions 20 --arrival 4 --duration 20s --reconnects 0.05 --strict

kill -TERM "$server"
status=0
wait "$server" || status=$?
server=
if [ "$status" != 0 ]; then
  tail -n 20 "$files/log" >&2
  echo "the server ended with $status instead of draining" >&2
  exit 1
fi
