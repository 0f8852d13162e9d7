#!/usr/bin/env bash
# A small Postgres for development: `query!` macros are checked against it when they are new,
# and `make sqlx` regenerates the committed cache from it. It needs no Rust: initdb, pg_ctl and psql
# only, so a query that is not in the cache yet cannot stop it from being built.
#
#   scripts/dev-db.sh start     start it (idempotent), migrated
#   scripts/dev-db.sh migrate   same; the database is made anew when migrations/ has changed
#   scripts/dev-db.sh fresh     same, made anew in any case
#   scripts/dev-db.sh url       print its URL
#   scripts/dev-db.sh env       print the export line for a shell:  eval "$(scripts/dev-db.sh env)"
#   scripts/dev-db.sh psql ...  a psql in it
#   scripts/dev-db.sh stop      stop it; its files stay
#
# It lives in target/dev-db, or where CONSILIUM_DEV_DB says.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
data=${CONSILIUM_DEV_DB:-$root/target/dev-db}
say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Debian keeps the server's programs out of PATH; Homebrew has a folder per version.
binaries() {
  local dir
  for dir in "$(dirname "$(realpath "$(command -v initdb 2>/dev/null)" 2>/dev/null)" 2>/dev/null)" \
    $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) \
    $(printf '%s\n' /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin | sort -rV); do
    if [ -x "$dir/initdb" ] && [ -x "$dir/pg_ctl" ]; then printf '%s\n' "$dir"; return; fi
  done
  die "no PostgreSQL found: run scripts/ensure.sh postgres"
}
bin=$(binaries)
psql=$bin/psql
[ -x "$psql" ] || psql=$(command -v psql) || die "no psql found: install the PostgreSQL client"

# Postgres refuses to run as root.
user=
if [ "$(id -u)" = 0 ]; then
  user=postgres
  id -u postgres >/dev/null 2>&1 || user=nobody
fi
as_user() {
  if [ -z "$user" ]; then
    "$@"
  else
    setpriv --reuid "$(id -u "$user")" --regid "$(id -g "$user")" --clear-groups "$@"
  fi
}

# Files that the database user cannot reach (a 0700 home) go where it can.
mkdir -p "$data"
if [ -n "$user" ]; then
  if ! as_user test -x "$(dirname "$data")" || ! (cd / && as_user test -x "$data/.."); then
    data=/var/lib/consilium/dev-$(printf '%s' "$data" | cksum | cut -d' ' -f1)
    mkdir -p "$data"
  fi
  chown "$user" "$data"
fi
chmod 700 "$data"
cluster=$data/cluster
log=$data/postgres.log
# A socket path may have about 100 bytes, a checkout's path may be longer.
run=/tmp/consilium-dev-$(id -u)-$(printf '%s' "$data" | cksum | cut -d' ' -f1)

url() { printf 'postgres://consilium@localhost/consilium?host=%s\n' "$run"; }
sql() { PGOPTIONS='-c client_min_messages=warning' "$psql" -X -q -v ON_ERROR_STOP=1 -h "$run" "$@"; }
up() { sql -U postgres -d postgres -c 'select 1' >/dev/null 2>&1; }

start() {
  up && return
  mkdir -p -m 700 "$run"
  [ -z "$user" ] || chown "$user" "$run"
  [ -O "$run" ] || [ -n "$user" ] || die "$run belongs to somebody else"
  # Nothing here is worth keeping over a new major version.
  if [ -f "$cluster/PG_VERSION" ] &&
    [ "$("$bin/postgres" --version | grep -oE '[0-9]+' | head -1)" != "$(cat "$cluster/PG_VERSION")" ]; then
    rm -rf "$cluster"
  fi
  cd /
  if [ ! -f "$cluster/PG_VERSION" ]; then
    rm -rf "$cluster"
    local locale=C.UTF-8
    [ "$(uname)" = Darwin ] && locale=en_US.UTF-8
    as_user "$bin/initdb" -D "$cluster" -U postgres --auth=trust -E UTF8 --locale=$locale --no-sync >/dev/null
  fi
  as_user "$bin/pg_ctl" -D "$cluster" -l "$log" -w -t 30 -s \
    -o "-c listen_addresses= -c unix_socket_directories=$run -c fsync=off -c max_connections=50 -c shared_buffers=64MB" \
    start || { tail -n 20 "$log" >&2; die "the development database did not start, its log is $log"; }
  cd "$root"
}

# The roles are those the server's own launcher makes (storage/src/embedded).
roles() {
  sql -U postgres -d postgres <<'SQL'
do $$ begin
  if not exists (select from pg_roles where rolname = 'consilium') then
    create role consilium login nosuperuser nocreatedb nocreaterole;
  end if;
  if not exists (select from pg_roles where rolname = 'consilium_app') then
    create role consilium_app nologin nosuperuser;
  end if;
  grant consilium_app to consilium;
end $$;
SQL
}

migrations() {
  [ -d "$root/migrations" ] || return 0
  find "$root/migrations" -maxdepth 1 -name '[0-9]*_*.sql' | sort
}
fingerprint() { migrations | while read -r file; do basename "$file"; cat "$file"; done | cksum; }

migrate() {
  local want have file
  want=$(fingerprint)
  have=$(sql -U postgres -d postgres -At -c \
    "select shobj_description(oid, 'pg_database') from pg_database where datname = 'consilium'")
  [ "${1:-}" = fresh ] || [ "$want" != "$have" ] || return 0
  roles
  sql -U postgres -d postgres -c 'drop database if exists consilium with (force)' \
    -c 'create database consilium owner consilium'
  sql -U postgres -d consilium -c 'create extension if not exists pg_trgm' \
    -c 'create extension if not exists btree_gist'
  while read -r file; do
    [ -n "$file" ] || continue
    local once=-1
    head -1 "$file" | grep -q '^-- no-transaction' && once=
    sql -U consilium -d consilium $once -f "$file" >/dev/null || die "$(basename "$file") was refused"
  done < <(migrations)
  sql -U postgres -d postgres -c "comment on database consilium is '$want'"
  say "dev-db: migrated"
}

case "${1:-}" in
  start | migrate) start; migrate ;;
  fresh) start; migrate fresh ;;
  url) url ;;
  env) printf 'export CONSILIUM_QUERY_DATABASE_URL="%s"\n' "$(url)" ;;
  psql) shift && exec "$psql" -h "$run" -U consilium -d consilium "$@" ;;
  stop)
    if up; then cd / && as_user "$bin/pg_ctl" -D "$cluster" -m fast -s -w stop; fi
    ;;
  *) sed -n '2,14s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
