#!/usr/bin/env bash
# Installs what clients/package-lock.json names into clients/node_modules, unless that has just this.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .cache
exec 9>.cache/npm.lock
flock 9 # two checks may want it at once
shopt -s nullglob
manifests=(clients/package.json clients/package-lock.json clients/*/package.json clients/*/*/package.json)
wanted=$(cat "${manifests[@]}" | sha256sum)
installed=clients/node_modules/.installed
if [ "$(cat $installed 2>/dev/null || true)" != "$wanted" ]; then
    echo "Installing clients/package-lock.json"
    scripts/with_node.sh npm --prefix clients ci --prefer-offline --no-audit --no-fund --loglevel=error
    echo "$wanted" >$installed
fi
