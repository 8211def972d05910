#!/usr/bin/env bash
# Creates the users of Touchline in a Kafka with SCRAM and ACLs, and grants each what it needs and nothing else. It can be
# run again: passwords are then replaced, and grants stay.
#
#   EDGE_PASSWORD=... KEEPER_PASSWORD=... CHEATWATCH_PASSWORD=... PRODUCER_PASSWORD=... \
#       deploy/kafka/users.sh --bootstrap-server kafka-1:9093 --command-config admin.properties
#
# Kafka's own commands are looked for in $PATH; the arguments are for them. admin.properties is how an administrator logs in.
set -eu

# As in touchline.toml and `cheatwatch watch`.
FEEDS=(match-events score-events)
ACTIONS=player-actions
VERDICTS=cheat-verdicts
KEEPER_GROUP=touchline-keeper
CHEATWATCH_GROUP=cheatwatch

create() { # USER PASSWORD
    kafka-configs.sh "${server[@]}" --alter --entity-type users --entity-name "$1" \
        --add-config "SCRAM-SHA-256=[password=$2]"
}

grant() { # USER "OPERATION..." KIND NAME...
    local user=$1 operations=$2 kind=$3 arguments=() each
    shift 3
    for each in $operations; do
        arguments+=(--operation "$each")
    done
    for each in "$@"; do
        arguments+=("--$kind" "$each")
    done
    kafka-acls.sh "${server[@]}" --add --allow-principal "User:$user" "${arguments[@]}"
}

server=("$@")
create touchline-edge "${EDGE_PASSWORD:?}"
create touchline-keeper "${KEEPER_PASSWORD:?}"
create cheatwatch "${CHEATWATCH_PASSWORD:?}"
create touchline-producer "${PRODUCER_PASSWORD:?}"

# Edges write what is published over HTTP. Without that, they need no Write on feeds.
grant touchline-edge "Read Write Describe DescribeConfigs" topic "${FEEDS[@]}"
grant touchline-edge "Read Describe DescribeConfigs" topic "$VERDICTS"
grant touchline-edge "Write Describe DescribeConfigs" topic "$ACTIONS"
grant touchline-keeper "Read Describe" topic "${FEEDS[@]}"
grant touchline-keeper Read group "$KEEPER_GROUP"
grant cheatwatch "Read Describe" topic "${FEEDS[@]}" "$ACTIONS"
grant cheatwatch "Read Write Describe" topic "$VERDICTS"
grant cheatwatch Read group "$CHEATWATCH_GROUP"
grant touchline-producer "Write Describe" topic "${FEEDS[@]}"
