#!/usr/bin/env bash
# Installs the servers that `make bench-peers` compares with, each in a pinned version from its package registry, into
# .cache/peers/. Nothing is installed twice. If one of them cannot be installed, the others are: the reason stays in
# .cache/peers/NAME.failed, and the comparison reports it.
set -eu
cd "$(dirname "$0")/.."

PEERS=$PWD/.cache/peers
SERVERS=$PWD/loadtest/touchline_loadtest/peers/servers
mkdir -p "$PEERS/bin"

# install NAME VERSION COMMAND...: run the command, unless it has already succeeded for this version.
install() {
    local name=$1 version=$2
    shift 2
    if [ "$(cat "$PEERS/$name.version" 2>/dev/null)" = "$version" ]; then
        return
    fi
    echo "Installing $name $version"
    rm -f "$PEERS/$name.version" "$PEERS/$name.failed"
    if "$@" >"$PEERS/$name.log" 2>&1; then
        echo "$version" >"$PEERS/$name.version"
    else
        echo "it could not be installed: $(tail -n 1 "$PEERS/$name.log" | sed 's/^[[:space:]]*//')" >"$PEERS/$name.failed"
        echo "$name: $(cat "$PEERS/$name.failed")" >&2
    fi
}

go_program() { # MODULE@VERSION
    command -v go || { echo "there is no go" && return 1; }
    GOBIN=$PEERS/bin go install "$1"
}

node_server() {
    command -v npm || { echo "there is no npm" && return 1; }
    rm -rf "$PEERS/socketio"
    cp -r "$SERVERS/socketio" "$PEERS/socketio"
    npm ci --prefix "$PEERS/socketio" --omit=dev --no-audit --no-fund
}

debian_package() {
    [ -e /usr/lib/nginx/modules/ngx_nchan_module.so ] || scripts/apt_install.sh "nchan is compared with" libnginx-mod-nchan
}

install nats-server v2.15.3 go_program github.com/nats-io/nats-server/v2@v2.15.3
install centrifugo v6.9.1 go_program github.com/centrifugal/centrifugo/v6@v6.9.1
install anycable-go v1.6.12 go_program github.com/anycable/anycable-go/cmd/anycable-go@v1.6.12
install socketio "$(cat "$SERVERS"/socketio/* | sha256sum | cut -d " " -f 1)" node_server
install nchan debian debian_package
command -v cc >/dev/null || install cc debian scripts/apt_install.sh "a send loop in C is compared with" gcc libc6-dev
