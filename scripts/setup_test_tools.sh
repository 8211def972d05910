#!/usr/bin/env bash
# Sees to the programs that the tests need besides Python: Java and Maven for a real Kafka broker, a browser, Redis, and
# the proxies that deploy/proxies/ has configurations for. With the argument kafka: Java and Maven alone.
set -eu
cd "$(dirname "$0")/.."

java_is_new_enough() { # Kafka 4's broker needs Java 17.
    local major
    major=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
    [ "${major:-0}" -ge 17 ]
}

missing=()
java_is_new_enough || missing+=(default-jre-headless)
command -v mvn >/dev/null || missing+=(maven)
why="the tests need Java 17 or newer, Maven, Chromium, Redis, and three proxies"
if [ "${1:-}" = kafka ]; then
    why="a Kafka broker needs Java 17 or newer, and Maven fetches it"
else
    command -v chromium >/dev/null || missing+=(chromium)
    command -v redis-server >/dev/null || missing+=(redis-server)
    for proxy in nginx haproxy caddy; do
        PATH=$PATH:/usr/sbin command -v "$proxy" >/dev/null || missing+=("$proxy")
    done
fi

if [ ${#missing[@]} -gt 0 ]; then
    scripts/apt_install.sh "$why" "${missing[@]}"
fi
# A machine may hold on to an older Java, and Ubuntu's chromium is not in apt but a snap.
if ! java_is_new_enough; then
    echo "error: Kafka needs Java 17 or newer, and java is: $(java -version 2>&1 | head -n 1)." \
        "Choose a newer one: update-alternatives --config java" >&2
    exit 1
fi
