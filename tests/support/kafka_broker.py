"""A real Apache Kafka broker for tests: one process in KRaft mode, on free ports, in a folder of its own.

`scripts/fetch_kafka.sh` fetches the jars. Fixtures: ``kafka`` is one broker for the whole session (a test uses topics
of its own names), ``kafka_factory`` starts brokers for one test alone, which it may stop and start again.
A broker ends with its test, and with the test process however that ends.
"""

import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.structs import TopicPartition

from support.free_ports import free_ports

JARS = Path(__file__).parents[2] / ".cache" / "kafka"
USER, PASSWORD = "touchline", "a password"
CLUSTER_ID = "dG91Y2hsaW5lLXRlc3RzLQ"  # 16 bytes in base64, as Kafka wants it
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
TOPIC_TIMEOUT_S = 20.0
JVM = ("-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=INFO")
STARTED = "Kafka Server started"


class KafkaBroker:
    """A broker on loopback. ``folder`` is empty at first and keeps the broker's data, settings and log.

    ``secure`` adds a listener with TLS (certificate: `ca_file`) and SASL (PLAIN and SCRAM-SHA-256, `USER`, `PASSWORD`).
    ``auto_create`` is Kafka's default, to make topics that somebody asks for; here it is off unless it is asked for.
    """

    def __init__(self, folder: Path, *, secure: bool = False, auto_create: bool = False) -> None:
        self._folder = folder
        self._auto_create = auto_create
        self._secure = secure
        self._port, self._controller_port, self._secure_port = free_ports(3)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where clients connect, without TLS."""
        return f"127.0.0.1:{self._port}"

    @property
    def secure_address(self) -> str:
        """Where clients connect with TLS and SASL."""
        return f"127.0.0.1:{self._secure_port}"

    @property
    def ca_file(self) -> Path:
        """The certificate of the broker, which signs itself."""
        return self._folder / "certificate.pem"

    def start(self) -> None:
        """Start, and wait until it serves. After a stop it is at the same addresses, with the same data."""
        self.launch()
        self.wait_started()

    def launch(self) -> None:
        """The first half of `start`. To be called in the main thread: the broker is killed when its thread ends."""
        if not self._settings_file.exists():
            self._format()
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [*_die_with_us(), *_java("kafka.Kafka"), str(self._settings_file)],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
            )

    def wait_started(self) -> None:
        """The second half of `start`."""
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while STARTED not in (said := self._log.read_text(errors="replace")):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop(kill=True)
                raise RuntimeError(f"the Kafka broker did not start:\n{said[-3000:]}")
            time.sleep(0.05)

    def stop(self, *, kill: bool = False) -> None:
        """Shut it down, or kill it. A broker that is not running stays so."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    async def create(self, topic: str, partitions: int = 1, configs: Mapping[str, str] | None = None) -> None:
        """Make a topic, and wait until all its partitions can be used."""
        async with self._admin() as admin:
            made = await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=dict(configs or {}))])
            assert made.topic_errors[0][1] == 0, made
            await _until_partitions(admin, topic, partitions)

    async def delete(self, topic: str) -> None:
        """Delete a topic, and wait until it is gone."""
        async with self._admin() as admin:
            deleted = await admin.delete_topics([topic])
            assert deleted.topic_error_codes[0][1] == 0, deleted
            deadline = time.monotonic() + TOPIC_TIMEOUT_S
            while topic in await admin.list_topics():  # to ask for the topic itself may make it
                assert time.monotonic() < deadline, f"{topic} is not deleted"
                await asyncio.sleep(0.02)

    async def add_partitions(self, topic: str, total: int) -> None:
        """Let a topic have ``total`` partitions from now on."""
        async with self._admin() as admin:
            await admin.create_partitions({topic: NewPartitions(total)})
            await _until_partitions(admin, topic, total)

    async def trim(self, topic: str, partition: int, before: int) -> None:
        """Delete the records before an offset, as retention does."""
        async with self._admin() as admin:
            await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})

    async def config(self, topic: str, name: str) -> str:
        """What a topic's setting is."""
        async with self._admin() as admin:
            (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
            (resource,) = answer.resources
            values = {entry[0]: entry[1] for entry in resource[4]}
            return str(values[name])

    def segment(self, topic: str, partition: int = 0) -> Path:
        """The file that holds the first records of a partition."""
        return self._folder / "data" / f"{topic}-{partition}" / f"{0:020}.log"

    async def topics(self) -> set[str]:
        """The names of all topics. Asks in the one way that makes none."""
        async with self._admin() as admin:
            return set(await admin.list_topics())

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()

    @property
    def _settings_file(self) -> Path:
        return self._folder / "server.properties"

    @property
    def _log(self) -> Path:
        return self._folder / "broker.log"

    def _format(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = self._settings()
        if self._secure:
            settings |= self._security()
        self._settings_file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        scram = f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]"
        command = [*_java("kafka.tools.StorageTool"), "format", "-t", CLUSTER_ID, "-c", str(self._settings_file)]
        _run([*command, *(("--add-scram", scram) if self._secure else ())])

    def _settings(self) -> dict[str, object]:
        listeners = f"PLAINTEXT://{self.address}"
        if self._secure:
            listeners += f",SECURE://{self.secure_address}"
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self._folder / "data",
            "auto.create.topics.enable": str(self._auto_create).lower(),
            "group.initial.rebalance.delay.ms": 0,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            # How long a killed broker may not come back, as its controller takes it to be alive.
            "broker.session.timeout.ms": 4000,
            "broker.heartbeat.interval.ms": 500,
            # What a broker does in the background by the minute, a test waits for.
            "log.segment.delete.delay.ms": 100,
            "log.initial.task.delay.ms": 100,
            "log.retention.check.interval.ms": 200,
            "log.cleaner.backoff.ms": 200,
        }

    def _security(self) -> dict[str, object]:
        key = self._folder / "key.pem"
        names = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        files = ("-keyout", str(key), "-out", str(self.ca_file))
        _run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files])
        store = self._folder / "keystore.pem"
        store.write_text(key.read_text() + self.ca_file.read_text())
        login = "org.apache.kafka.common.security"
        return {
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
            "listener.name.secure.ssl.keystore.type": "PEM",
            "listener.name.secure.ssl.keystore.location": store,
            "listener.name.secure.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
            "listener.name.secure.plain.sasl.jaas.config": (
                f'{login}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
            ),
            "listener.name.secure.scram-sha-256.sasl.jaas.config": f"{login}.scram.ScramLoginModule required;",
        }


async def _until_partitions(admin: AIOKafkaAdminClient, topic: str, count: int) -> None:
    deadline = time.monotonic() + TOPIC_TIMEOUT_S
    while True:
        (described,) = await admin.describe_topics([topic])
        ready = [partition for partition in described["partitions"] if partition["leader"] >= 0]
        if len(ready) == count:
            return
        assert time.monotonic() < deadline, described
        await asyncio.sleep(0.02)


def _java(main: str) -> list[str]:
    return ["java", *JVM, "-cp", f"{JARS}/*", main]


def _die_with_us() -> list[str]:
    """A prefix that has Linux kill the broker when this process is no more, even if it was killed itself."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _demand_kafka() -> None:
    """Fail, and never skip: what these tests hold is a promise to users."""
    for program in ("java", "openssl"):
        if shutil.which(program) is None:
            pytest.fail(f"the tests with Kafka need {program}: make test installs what is missing", pytrace=False)
    if not any(JARS.glob("kafka_*.jar")):
        pytest.fail("Kafka's jars are not there: run scripts/fetch_kafka.sh", pytrace=False)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """One broker for all tests, with the secure listener too."""
    _demand_kafka()
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka") / "broker", secure=True)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop(kill=True)


@pytest.fixture
def kafka_factory(tmp_path: Path) -> Iterator[Callable[..., KafkaBroker]]:
    """Starts brokers for this test alone."""
    _demand_kafka()
    brokers: list[KafkaBroker] = []

    def make(*, auto_create: bool = False) -> KafkaBroker:
        broker = KafkaBroker(tmp_path / f"broker{len(brokers)}", auto_create=auto_create)
        brokers.append(broker)
        broker.start()
        return broker

    try:
        yield make
    finally:
        for broker in brokers:
            broker.stop(kill=True)
