#!/usr/bin/env bash
# One crypto stack (rustls with ring), checked on the lock file with plain cargo. `make audit` knows more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for crate in aws-lc-rs aws-lc-sys openssl-sys native-tls; do
  if grep -qx "name = \"$crate\"" Cargo.lock; then
    echo "$crate has come into the tree:" >&2
    cargo tree --locked --workspace --target all --invert "$crate" >&2
    exit 1
  fi
done
