#!/usr/bin/env bash
# Sees to Firefox, which only the long tests need.
set -eu
cd "$(dirname "$0")/.."

command -v firefox-esr >/dev/null || scripts/apt_install.sh "the long tests need Firefox" firefox-esr
