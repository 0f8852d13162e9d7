#!/usr/bin/env bash
# Sees to what is missing on this machine:  scripts/ensure.sh postgres redis chromium poppler nginx azurite
# Installs it with apt-get or brew (Azurite with npm) where that is allowed, else prints the one line to run. What is there
# is left alone; nothing is asked of the network then.
set -euo pipefail

have() { command -v "$1" >/dev/null 2>&1; }

# The emulator of Azure Blob Storage comes from npm and is kept outside of the checkout, one for all of them. The tests
# know the place and the version (tests/support/azurite.rs).
azurite_version=3.35.0
azurite=${XDG_CACHE_HOME:-$HOME/.cache}/consilium/azurite-$azurite_version

# The server finds these places itself (storage/src/embedded/binaries.rs).
present() {
  local dir
  case "$1" in
    postgres)
      have initdb && have postgres && return
      for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin \
        /usr/local/opt/postgresql@*/bin /Applications/Postgres.app/Contents/Versions/*/bin; do
        [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && return
      done
      return 1
      ;;
    redis) have redis-server || have valkey-server ;;
    poppler) have pdftotext && have pdffonts ;;
    chromium)
      have chromedriver || return 1
      have chromium || have chromium-browser || have google-chrome ||
        [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ] ||
        [ -x /Applications/Chromium.app/Contents/MacOS/Chromium ]
      ;;
    # Its test makes a certificate too. Debian keeps it where not every user looks.
    nginx) { have nginx || [ -x /usr/sbin/nginx ]; } && have openssl ;;
    node) have node && have npm ;;
    azurite) have node && [ -f "$azurite/node_modules/azurite/dist/src/blob/main.js" ] ;;
    *)
      echo "scripts/ensure.sh knows postgres, redis, chromium, poppler, nginx and azurite, not $1" >&2
      exit 2
      ;;
  esac
}

packages() {
  case "$1:$2" in
    apt:postgres) echo postgresql ;;
    apt:redis) echo redis-server ;;
    apt:poppler) echo poppler-utils ;;
    apt:chromium) echo chromium chromium-driver ;;
    apt:nginx) echo nginx openssl ;;
    apt:node) echo nodejs npm ;;
    brew:postgres) echo postgresql@17 ;;
    brew:redis) echo redis ;;
    brew:poppler) echo poppler ;;
    brew:chromium) echo chromium chromedriver ;;
    brew:nginx) echo nginx openssl ;;
    brew:node) echo node ;;
  esac
}

# A folder that is complete takes the place of none: an installation that breaks off leaves nothing that counts.
install_azurite() {
  echo "installing azurite $azurite_version with npm into $azurite" >&2
  rm -rf "$azurite.part"
  mkdir -p "$azurite.part"
  npm install --silent --no-audit --no-fund --no-save --prefix "$azurite.part" "azurite@$azurite_version" >&2
  rm -rf "$azurite"
  mv "$azurite.part" "$azurite"
}

missing=()
wants_azurite=
for thing in "$@"; do
  present "$thing" && continue
  if [ "$thing" = azurite ]; then
    wants_azurite=1
    present node || missing+=(node)
  else
    missing+=("$thing")
  fi
done
if [ ${#missing[@]} -eq 0 ]; then
  [ -z "$wants_azurite" ] || install_azurite
  exit 0
fi

if have apt-get; then manager=apt; elif have brew; then manager=brew; else
  echo "missing: ${missing[*]}. Install PostgreSQL 14 or later, redis-server, chromium, chromedriver, nginx, openssl, poppler's tools, node and npm with this system's package manager, as needed." >&2
  exit 1
fi
wanted=()
for thing in "${missing[@]}"; do
  read -ra names <<<"$(packages "$manager" "$thing")"
  wanted+=("${names[@]}")
done

if [ $manager = brew ]; then
  echo "installing ${wanted[*]} with brew" >&2
  brew install "${wanted[@]}"
  [ -z "$wants_azurite" ] || install_azurite
  exit
fi

as_root=()
if [ "$(id -u)" != 0 ]; then
  # A password may be asked for where somebody is there to type it.
  if have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then as_root=(sudo); else
    echo "missing: ${missing[*]}. Run as root: apt-get install --no-install-recommends ${wanted[*]}" >&2
    exit 1
  fi
fi
echo "installing ${wanted[*]} with apt-get" >&2
apt() {
  ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@" >&2
}
apt update || echo "the package lists could not be refreshed, trying with the old ones" >&2
# The server starts a cluster of its own; the one that Debian makes for a new machine would only take the port.
if [[ " ${missing[*]} " == *" postgres "* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
  apt install postgresql-common
  ${as_root[@]+"${as_root[@]}"} sed -i 's/^#\? *create_main_cluster *=.*/create_main_cluster = false/' \
    /etc/postgresql-common/createcluster.conf
fi
apt install "${wanted[@]}"
# Nor does anybody want the page that Debian's nginx serves on port 80 from now on.
if [[ " ${missing[*]} " == *" nginx "* ]] && have systemctl; then
  ${as_root[@]+"${as_root[@]}"} systemctl disable --quiet --now nginx 2>/dev/null || true
fi
for thing in "${missing[@]}"; do
  present "$thing" || {
    echo "$thing is still missing after the installation of $(packages apt "$thing")" >&2
    exit 1
  }
done
[ -z "$wants_azurite" ] || install_azurite
