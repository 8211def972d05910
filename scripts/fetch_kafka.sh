#!/usr/bin/env bash
# Fetches the Apache Kafka broker that tests and load tests run against (tests/kafka/pom.xml) into .cache/kafka/.
# Does nothing where that was done for this very pom.xml before.
set -eu
cd "$(dirname "$0")/.."

POM=tests/kafka/pom.xml
JARS=.cache/kafka
STAMP=$JARS/pom.sha256

for program in java mvn; do
    if ! command -v "$program" >/dev/null; then
        echo "error: there is no $program: a Kafka broker needs Java 17 or newer, and Maven" \
            "(on Debian: apt-get install openjdk-17-jre-headless maven)" >&2
        exit 1
    fi
done

if [ -f "$STAMP" ] && sha256sum --check --status "$STAMP"; then
    exit 0
fi

rm -rf "$JARS"
mkdir -p "$JARS"
# The plugin's version is written out: without one Maven takes what it thinks best.
mvn -q -B -f "$POM" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DoutputDirectory="$PWD/$JARS"
sha256sum "$POM" >"$STAMP"
