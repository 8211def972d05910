#!/usr/bin/env bash
# Makes a fresh Debian machine for `make check-deploy`, to be booted by systemd-nspawn: what mmdebstrap installs, systemd, and
# nothing else. Needs root. Prints the archive with its files.
set -eu
cd "$(dirname "$0")/.."

ARCHIVE=$PWD/.cache/deploy/machine.tar
mkdir -p "$(dirname "$ARCHIVE")"
if [ ! -e "$ARCHIVE" ]; then
    mmdebstrap --quiet --variant=minbase --components=main --include=systemd,systemd-sysv,dbus bookworm "$ARCHIVE.new" >&2
    mv "$ARCHIVE.new" "$ARCHIVE"
fi
echo "$ARCHIVE"
