#!/usr/bin/env bash
# Installs Debian packages where this user may; otherwise says what to install, and fails. Starts no service that comes
# with a package: neither now, nor at the next boot.
# Usage: scripts/apt_install.sh WHY PACKAGE...
set -eu
why=$1
shift

if ! command -v apt-get >/dev/null; then
    echo "error: $why. Install what Debian calls: $*" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    echo "error: $why. Run: sudo apt-get install --no-install-recommends $*" >&2
    exit 1
fi

policy=/usr/sbin/policy-rc.d # Packages ask it whether they may start their service. 101 means no.
if [ ! -e $policy ]; then
    trap '"${as_root[@]}" rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" install -m 755 /dev/stdin $policy
fi

echo "Installing $* ($why)"
"${as_root[@]}" apt-get update --quiet=2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends "$@"
if command -v systemctl >/dev/null; then
    for package in "$@"; do
        "${as_root[@]}" systemctl disable --quiet "$package" 2>/dev/null || true # most have no service
    done
fi
