#!/usr/bin/env bash
# Makes the secrets of compose.yml, at random: .env for Docker Compose, and the users of Redis. It never replaces any.
# To replace them, delete .env and secrets/, run it again, and start all services again.
set -eu
cd "$(dirname "$0")"
umask 077

secret() {
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

hash_of() { # Redis keeps the SHA-256 of a password, so the file itself opens nothing.
    printf %s "$1" | sha256sum | cut -d ' ' -f 1
}

if [ ! -e .env ]; then
    cat >.env.new <<END
# Made by make-secrets.sh. TOUCHLINE_TOKEN_SECRET signs players' tokens: your login service needs it too (docs/tokens.md).
TOUCHLINE_TOKEN_SECRET=$(secret)
# For publishing over HTTP.
TOUCHLINE_API_KEY=$(secret)
# Prometheus reads metrics with this one, which is good for nothing else.
TOUCHLINE_METRICS_KEY=$(secret)
REDIS_EDGE_PASSWORD=$(secret)
REDIS_KEEPER_PASSWORD=$(secret)
# For the user admin.
GRAFANA_PASSWORD=$(secret)
END
    mv .env.new .env
fi

. ./.env
mkdir -p secrets
# The users in the containers of Redis and Prometheus read these files, whatever their numbers are.
chmod 711 secrets
sed -e "s/EDGE_PASSWORD_SHA256/$(hash_of "$REDIS_EDGE_PASSWORD")/" \
    -e "s/KEEPER_PASSWORD_SHA256/$(hash_of "$REDIS_KEEPER_PASSWORD")/" ../redis/users.acl >secrets/users.acl.new
chmod 644 secrets/users.acl.new
mv secrets/users.acl.new secrets/users.acl
printf %s "$TOUCHLINE_METRICS_KEY" >secrets/metrics.key
chmod 644 secrets/metrics.key
echo "The secrets are in $PWD/.env and $PWD/secrets"
