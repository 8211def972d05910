#!/usr/bin/env bash
# Builds the image of deploy/docker/Dockerfile without Docker and without a registry, for `make check-deploy`: with buildah,
# on a Debian that mmdebstrap makes. Needs root. Prints the folder with the image's files.
#
# What differs from `docker build`: the base has the packages of debian:12-slim, but is not that image; and the machine's
# certificates are lent to pip during the build, for networks that look into TLS.
set -eu
cd "$(dirname "$0")/.."

CACHE=$PWD/.cache/deploy
BASE=debian:12-slim # what the Dockerfile says
IMAGE=touchline:local
# vfs works wherever files do, and what it mounts is a plain folder.
STORAGE=(--storage-driver vfs --root "$CACHE/containers/root" --runroot "$CACHE/containers/run")
CERTIFICATES=/machine-certificates
mkdir -p "$CACHE"

say() { # stdout is for the result
    echo "$@" >&2
}

if [ ! -e "$CACHE/base.tar" ]; then
    say "Making a base image"
    # The packages of the image on Docker's hub, and like there without what only people read.
    mmdebstrap --quiet --variant=minbase --components=main \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$CACHE/base.new.tar" >&2
    mv "$CACHE/base.new.tar" "$CACHE/base.tar"
fi
if ! buildah "${STORAGE[@]}" images --quiet "$BASE" >/dev/null 2>&1; then
    container=$(buildah "${STORAGE[@]}" from scratch)
    buildah "${STORAGE[@]}" add --quiet "$container" "$CACHE/base.tar" / >/dev/null
    buildah "${STORAGE[@]}" config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd bash "$container"
    buildah "${STORAGE[@]}" commit --quiet --rm "$container" "$BASE" >/dev/null
fi

# Nothing is built again from the same files.
inputs=$({ cat .dockerignore scripts/build_image.sh && git ls-files -z --cached --others --exclude-standard pyproject.toml README.md \
    CHANGELOG.md LICENSE protocol server clients loadtest requirements deploy/docker | xargs -0 sha256sum; } | sha256sum)
if [ -e "$CACHE/image" ] && [ "$(cat "$CACHE/image.inputs" 2>/dev/null)" = "$inputs" ]; then
    cat "$CACHE/image"
    exit
fi
rm -f "$CACHE/image" "$CACHE/image.inputs"

say "Building $IMAGE"
lent=()
if [ -n "${PIP_CERT:-}" ]; then
    printf '[global]\ncert = %s/%s\n' "$CERTIFICATES" "$(basename "$PIP_CERT")" >"$CACHE/pip.conf"
    lent+=(--volume "$(dirname "$PIP_CERT"):$CERTIFICATES:ro" --volume "$CACHE/pip.conf:/etc/pip.conf:ro")
fi
# The format is Docker's: OCI's has no HEALTHCHECK.
buildah "${STORAGE[@]}" bud --isolation chroot --pull-never --layers=false --format docker "${lent[@]}" \
    --file deploy/docker/Dockerfile --tag "$IMAGE" . >&2

# Containers of builds before this one, and what no image needs any more.
buildah "${STORAGE[@]}" rm --all >/dev/null
buildah "${STORAGE[@]}" rmi --prune >/dev/null
container=$(buildah "${STORAGE[@]}" from --pull-never "$IMAGE")
buildah "${STORAGE[@]}" mount "$container" >"$CACHE/image"
echo "$inputs" >"$CACHE/image.inputs"
cat "$CACHE/image"
