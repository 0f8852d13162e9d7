#!/usr/bin/env bash
# Three nodes, a Postgres and a Redis of their own under load, and a fault of each kind in an order that follows from a
# seed: the load generator proves from its history that nothing was lost. FAULTS=27 SEED=3 scripts/short-faults.sh does
# more of them in another order. Processes and files are gone afterwards; after a failure the files stay and are named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-target}/debug
# What the tests are built with serves here: nothing is compiled a second time with other features.
cargo test --quiet --workspace --no-run

exec "$target/loadtest" run --fleet 3 --server-bin "$target/consilium" \
  --faults all --fault-count "${FAULTS:-9}" --seed "${SEED:-7}" --fault-gap 0.5s --fault-length 3s --hasty 0.6 --recovery 90s \
  --sessions 10 --arrival 4 --message-rate 0.8 --duration 1s --reconnects 0.02
