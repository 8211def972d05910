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

grant() { # USER ON_WHAT NAME OPERATION...
    local user=$1 kind=$2 name=$3 operations=()
    shift 3
    for operation in "$@"; do
        operations+=(--operation "$operation")
    done
    kafka-acls.sh "${server[@]}" --add --allow-principal "User:$user" "--$kind" "$name" "${operations[@]}"
}

server=("$@")
create touchline-edge "${EDGE_PASSWORD:?}"
create touchline-keeper "${KEEPER_PASSWORD:?}"
create cheatwatch "${CHEATWATCH_PASSWORD:?}"
create touchline-producer "${PRODUCER_PASSWORD:?}"

for topic in "${FEEDS[@]}"; do
    # Edges write what is published over HTTP. Without that, Read is enough.
    grant touchline-edge topic "$topic" Read Write Describe DescribeConfigs
    grant touchline-keeper topic "$topic" Read Describe
    grant cheatwatch topic "$topic" Read Describe
    grant touchline-producer topic "$topic" Write Describe
done
grant touchline-edge topic "$VERDICTS" Read Describe DescribeConfigs
grant touchline-edge topic "$ACTIONS" Write Describe DescribeConfigs
grant touchline-keeper group "$KEEPER_GROUP" Read
grant cheatwatch topic "$ACTIONS" Read Describe
grant cheatwatch topic "$VERDICTS" Read Write Describe
grant cheatwatch group "$CHEATWATCH_GROUP" Read
