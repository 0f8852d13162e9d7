#!/usr/bin/env bash
# The committed cache of the query macros (storage/.sqlx), which lets everybody build without a database.
#
#   scripts/queries.sh update   write it anew from the development database (make sqlx)
#   scripts/queries.sh check    fail when it is not what a freshly migrated database says (make check)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
cache=storage/.sqlx
fresh=$(mktemp -d)
stamps=$(mktemp -d)
sources=(storage/src/lib.rs)
for file in storage/tests/*.rs storage/examples/*.rs; do [ ! -f "$file" ] || sources+=("$file"); done

mode=${1:-}
case "$mode" in
  update) scripts/dev-db.sh migrate ;;
  check)
    export CONSILIUM_DEV_DB=$root/target/check-db
    scripts/dev-db.sh fresh
    ;;
  *) sed -n '2,5s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac

# Macros expand again only when their source looks newer. A check gives the old times back,
# so that no other build has to start over.
for index in "${!sources[@]}"; do touch -r "${sources[$index]}" "$stamps/$index"; done
finish() {
  if [ "$mode" = check ]; then
    for index in "${!sources[@]}"; do touch -r "$stamps/$index" "${sources[$index]}"; done
    scripts/dev-db.sh stop
  fi
  rm -rf "$fresh" "$stamps"
}
trap finish EXIT
touch "${sources[@]}"
CONSILIUM_QUERY_DATABASE_URL=$(scripts/dev-db.sh url) SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$fresh \
  cargo check --quiet -p consilium-storage --all-targets --all-features

mkdir -p "$cache"
if [ "$mode" = update ]; then
  rm -f "$cache"/query-*.json
  find "$fresh" -name 'query-*.json' -exec mv {} "$cache/" \;
  echo "$(find "$cache" -name 'query-*.json' | wc -l | tr -d ' ') queries in $cache"
elif ! diff -rq "$cache" "$fresh" >&2; then
  echo "storage/.sqlx is not what the migrations and queries say: run make sqlx and commit it" >&2
  exit 1
fi
