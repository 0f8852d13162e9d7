#!/usr/bin/env bash
# The whole OpenAPI document against a server of its own, with data that its schemas allow and data that they do not, as
# a patient, a doctor, an admin and nobody: no 5xx, no answer outside its schema.
#
#   scripts/fuzz.sh [EXAMPLES]   that many for each operation and role, 20 unless said otherwise (make fuzz)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

examples=${1:-20}
version=4.32.5
tool=target/fuzz/$version
if [ ! -e "$tool/complete" ]; then
  rm -rf "$tool"
  python3 -m venv "$tool" && "$tool/bin/pip" install --quiet "schemathesis==$version" && touch "$tool/complete" ||
    { echo "missing: python3 with venv and pip, to install schemathesis $version" >&2; exit 1; }
fi
# What the tests are built with serves here: nothing is compiled a second time with other features.
cargo test --quiet --workspace --no-run

files=$(mktemp -d)
chmod 711 "$files"
server=
finish() {
  [ -z "$server" ] || { kill -TERM "$server" && wait "$server"; } 2>/dev/null || true
  rm -rf "$files"
}
trap finish EXIT
CONSILIUM_ACCESS_TOKEN_TTL=86400 CONSILIUM_LOG=warn "${CARGO_TARGET_DIR:-target}/debug/consilium" \
  serve --demo --listen 127.0.0.1:0 --data-dir "$files/data" >"$files/out" 2>"$files/log" &
server=$!
url=
for _ in $(seq 300); do
  url=$(sed -n 's/^listening on \(http:[^ ]*\).*/\1/p' "$files/out")
  [ -z "$url" ] || break
  kill -0 "$server" 2>/dev/null || { tail -n 20 "$files/log" >&2; exit 1; }
  sleep 0.1
done

post() { curl -sf -H 'content-type: application/json' "$url/api/v2/$1" -d "$2"; }
field() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }
post auth/request-otp '{"phone": "+919900000001"}' >"$files/asked"
code=$(curl -sf "$url/dev/inbox.json?channel=sms&to=%2B919900000001" | field "['items'][-1]['code']")
patient=$(post auth/verify-otp "{\"phone\": \"+919900000001\", \"code\": \"$code\"}" | field "['access_token']")
doctor=$(post auth/doctor/login '{"email": "doctor3@demo.example", "password": "demo-pass-1"}' | field "['access_token']")
admin=$(post admin/auth/login '{"username": "admin", "password": "demo-pass-1"}' | field "['access_token']")

# What is there: a consultation of that patient and that doctor. The rest is made up, or follows from answers.
get() { curl -sf -H "Authorization: Bearer $1" "$url/api/v2/$2"; }
session=$(get "$doctor" doctors/me/sessions | field "['items'][0]['session_id']")
doctor_id=$(get "$doctor" doctors/me/profile | field "['id']")
{
  echo "parameters = { \"path.session_id\" = \"$session\", \"path.doctor_id\" = \"$doctor_id\" }"
  cat scripts/fuzz.toml
} >"$files/fuzz.toml"

status=0
for role in patient doctor admin nobody; do
  who=()
  [ "$role" = nobody ] || who=(--header "Authorization: Bearer ${!role}")
  echo "== $role"
  "$tool/bin/schemathesis" --config-file "$files/fuzz.toml" run "$url/openapi.json" --url "$url" "${who[@]}" \
    --max-examples "$examples" || status=1
done
if grep -q '"level":"ERROR"\| ERROR ' "$files/log"; then
  grep '"level":"ERROR"\| ERROR ' "$files/log" | head -n 20 >&2
  status=1
fi
exit $status
