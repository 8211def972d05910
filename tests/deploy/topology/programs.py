"""What stands in for an image: Touchline's own is the real one, and of the others this machine has the programs.

Nothing else differs: commands, variables and files are those of the compose file. Grafana alone cannot be had here.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from touchline_loadtest.rig.kafka import java

from .compose_file import Service

ABSENT = {"grafana"}
"""Images without a stand-in, by the last part of their names."""

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Program(NamedTuple):
    """How a service is started: a command, its variables, and what has to be run once before."""

    command: Sequence[str]
    environment: Mapping[str, str]
    prepare: Sequence[str] = ()


def image_name(service: Service) -> str:
    """The image without its registry and tag: ``kafka`` for ``apache/kafka:4.1.1``."""
    return service.image.rpartition("/")[2].partition(":")[0]


def is_absent(service: Service) -> bool:
    """Whether there is nothing on this machine to stand in for the service."""
    return image_name(service) in ABSENT


def program(service: Service, places: Mapping[str, Path]) -> Program:
    """The program for a service of another image than Touchline's. ``places`` are its files and folders by their place
    in the container."""
    environment = {"PATH": SYSTEM_PATH, **service.environment}
    if image_name(service) == "kafka":
        return _kafka(service, places, environment)
    words = list(service.command)
    if image_name(service) == "prometheus":
        words.insert(0, "prometheus")  # the image's entry point
    found = shutil.which(words[0], path=SYSTEM_PATH)
    assert found is not None, f"{words[0]} is missing: make check-deploy installs it"
    return Program([found, *(placed(word, places) for word in words[1:])], environment)


def placed(word: str, places: Mapping[str, Path]) -> str:
    """A word of a command with this machine's paths in place of the container's."""
    if not places:
        return word
    longest_first = sorted(places, key=len, reverse=True)
    path = re.compile(rf"(?<![\w/])(?:{'|'.join(map(re.escape, longest_first))})(?![\w.])")
    return path.sub(lambda found: str(places[found[0]]), word)


def _kafka(service: Service, volumes: Mapping[str, Path], environment: Mapping[str, str]) -> Program:
    """Do what the image's script does: server.properties from variables, a formatted folder, then the broker."""
    (data,) = volumes.values()
    properties = kafka_properties(service.environment) | {"log.dirs": str(data / "log")}
    file = data / "server.properties"
    data.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    heap = environment.get("KAFKA_HEAP_OPTS", "").split()
    run = ["java", *heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Dlog4j2.level=INFO"]
    run += ["-cp", f"{java.JARS}/*"]
    cluster = service.environment["CLUSTER_ID"]
    prepare = [*run, "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster, "-c", str(file)]
    return Program([*run, "kafka.Kafka", str(file)], environment, prepare)


NOT_PROPERTIES = {"KAFKA_HEAP_OPTS", "KAFKA_OPTS", "KAFKA_JVM_PERFORMANCE_OPTS"}


def kafka_properties(environment: Mapping[str, str]) -> dict[str, str]:
    """What Kafka's image makes of its variables: KAFKA_A_B is a.b, and two or three underscores are _ and -."""
    found = {}
    for name, value in environment.items():
        if name.startswith("KAFKA_") and name not in NOT_PROPERTIES:
            property_name = name.removeprefix("KAFKA_").lower()
            for underscores, character in (("___", "-"), ("__", "\0"), ("_", ".")):
                property_name = property_name.replace(underscores, character)
            found[property_name.replace("\0", "_")] = value
    return found
