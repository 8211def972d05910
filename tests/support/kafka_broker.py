"""Real Apache Kafka brokers for tests: processes in KRaft mode, on free ports, each with its own folder.

The fixture ``kafka`` is one broker for all tests of a worker, which use different topic names. ``kafka_to_restart`` is
another, which a test may stop and start again. ``kafka_factory`` starts brokers for one test. ``kafka_cluster`` is a
cluster of three. Brokers end with
their test, and with the test process, however that ends.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.protocol.admin import AlterConfigsRequest

from support import kafka_access
from support.certificates import Authority
from support.kafka_topics import KafkaTopics
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.rig.kafka import java as kafka_java
from touchline_loadtest.rig.kafka.broker import Broker, join
from touchline_loadtest.rig.kafka.java import LIMITED_USER, PASSWORD, USER

CLUSTER_SIZE = 3

RETURN_MS = 1_400
"""How long a killed broker, after its return, keeps itself out: as its own controller it believes that it is still
there. It tries again after 100, 200, 400 and 800 ms, so the fifth attempt succeeds."""

__all__ = ["LIMITED_USER", "PASSWORD", "USER", "KafkaBroker", "KafkaCluster"]


class KafkaBroker(Broker, KafkaTopics):
    """A broker on the loopback interface. ``folder``, empty at first, holds the broker's data, settings and log.

    ``secure`` adds a listener with TLS (certificate: `ca_file`) and SASL (PLAIN and SCRAM-SHA-256, `USER`, `PASSWORD`).
    There `LIMITED_USER`, by PLAIN, may do only what `allow` has granted it; all others may do everything. Two more
    listeners take tokens (`support.kafka_access.token`) and certificates of clients (`clients_ca`), both of `USER`.
    ``auto_create`` lets Kafka create any topic that a client requests, which is its default, but not ours.
    """

    def __init__(self, folder: Path, *, node_id: int = 1, secure: bool = False, auto_create: bool = False) -> None:
        super().__init__(folder, node_id=node_id)
        self._auto_create = auto_create
        self._secure = secure
        self._secure_port, self._token_port, self._certificate_port = free_ports(3)
        self._was_killed = False

    @property
    def secure_address(self) -> str:
        """The address for clients with TLS and SASL."""
        return f"127.0.0.1:{self._secure_port}"

    @property
    def token_address(self) -> str:
        """The address for clients with SASL OAUTHBEARER. A login counts for `kafka_access.SESSION_S` there."""
        return f"127.0.0.1:{self._token_port}"

    @property
    def certificate_address(self) -> str:
        """The address for clients with TLS and a certificate of `clients_ca`."""
        return f"127.0.0.1:{self._certificate_port}"

    @property
    def clients_ca(self) -> Authority:
        """The authority whose certificates this broker accepts."""
        return Authority.at(self.folder / "clients-ca")

    @property
    def ca_file(self) -> Path:
        """The broker's self-signed certificate."""
        return self.folder / "certificate.pem"

    def launch(self) -> None:
        """Also creates the certificates of a secure listener."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._secure:
            self._create_certificate()
        super().launch()

    def stop(self, *, kill: bool = False) -> None:
        """Shut the broker down, or kill it. Does nothing if it is not running."""
        self._was_killed = kill
        super().stop(kill=kill)

    @contextlib.contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Let a broker that does not run have another port for its clients, for a while."""
        port = self._port
        (self._port,) = free_ports(1)
        try:
            yield
        finally:
            self._port = port

    def segment(self, topic: str, partition: int = 0) -> Path:
        """The file that holds the first records of a partition."""
        return self.folder / kafka_java.DATA / f"{topic}-{partition}" / f"{0:020}.log"

    async def configure_cluster(self, configs: Mapping[str, str]) -> None:
        """Replace the settings that all brokers of the cluster got while they ran, by asking this one."""
        # This one cannot be removed while Kafka keeps track of eligible leaders (KIP-966).
        wanted = {"min.insync.replicas": str(max(1, len(self.voters) - 1)), **configs}
        request = AlterConfigsRequest([(ConfigResourceType.BROKER, "", list(wanted.items()))])
        async with self._admin() as admin:
            answer = await admin._client.send(self.node_id, request)
        assert answer.resources[0][0] == 0, answer

    def _settings(self) -> dict[str, object]:
        settings = super()._settings()
        protocols = ["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT"]
        if self._secure:
            secure = f",SECURE://{self.secure_address},TOKEN://{self.token_address}"
            secure += f",CERTIFICATE://{self.certificate_address}"
            settings["listeners"] = f"{settings['listeners']}{secure}"
            settings["advertised.listeners"] = f"{settings['advertised.listeners']}{secure}"
            settings |= self._security()
            protocols += ["SECURE:SASL_SSL", "TOKEN:SASL_PLAINTEXT", "CERTIFICATE:SSL"]
        if self._was_killed and len(self.voters) == 1:
            settings["broker.session.timeout.ms"] = RETURN_MS
        return {
            **settings,
            "listener.security.protocol.map": ",".join(protocols),
            "inter.broker.listener.name": "PLAINTEXT",
            "auto.create.topics.enable": str(self._auto_create).lower(),
            # Tests wait for background work that a broker does only every few minutes by default.
            "log.segment.delete.delay.ms": 100,
            "log.initial.task.delay.ms": 100,
            "log.retention.check.interval.ms": 200,
            "log.cleaner.backoff.ms": 200,
        }

    @property
    def _key_store(self) -> Path:
        return self.folder / "keystore.pem"

    def _create_certificate(self) -> None:
        if self._key_store.exists():
            return
        key = self.folder / "key.pem"
        names = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        files = ("-keyout", str(key), "-out", str(self.ca_file))
        kafka_java.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files])
        self._key_store.write_text(key.read_text() + self.ca_file.read_text())

    def _security(self) -> dict[str, object]:
        login = "org.apache.kafka.common.security"
        return {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:ANONYMOUS;User:{USER};User:CN={USER}",
            "allow.everyone.if.no.acl.found": "false",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,OAUTHBEARER",
            **kafka_access.token_listener("token"),
            **kafka_access.certificate_listener("certificate", self._key_store, self.clients_ca),
            "listener.name.secure.ssl.keystore.type": "PEM",
            "listener.name.secure.ssl.keystore.location": self._key_store,
            "listener.name.secure.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
            "listener.name.secure.plain.sasl.jaas.config": (
                f'{login}.plain.PlainLoginModule required user_{USER}="{PASSWORD}" user_{LIMITED_USER}="{PASSWORD}";'
            ),
            "listener.name.secure.scram-sha-256.sasl.jaas.config": f"{login}.scram.ScramLoginModule required;",
        }


class KafkaCluster(KafkaTopics):
    """Three brokers that are controllers as well. They keep three replicas of each topic, and writes need two of them.

    Only one may be stopped or killed at a time. `brokers` are in the order of their ids, which start at 1.
    """

    replicas = CLUSTER_SIZE

    def __init__(self, folder: Path) -> None:
        self.brokers = [
            KafkaBroker(folder / f"broker{number}", node_id=number) for number in range(1, CLUSTER_SIZE + 1)
        ]
        join(self.brokers)

    @property
    def address(self) -> str:
        return ",".join(broker.address for broker in self.brokers if broker.running)

    def start(self) -> None:
        """Start all brokers, and wait until they serve."""
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.wait_started()

    def stop(self) -> None:
        """Kill all brokers."""
        for broker in self.brokers:
            broker.stop(kill=True)

    async def create_led_by(
        self, broker: KafkaBroker, topic: str, *, replicas: int = CLUSTER_SIZE, configs: Mapping[str, str] | None = None
    ) -> None:
        """Create a topic with one partition, which this broker leads for as long as it runs.

        If there are fewer ``replicas`` than brokers, the brokers with the highest ids have none.
        """
        ids = sorted((each.node_id for each in self.brokers), key=lambda node_id: node_id != broker.node_id)
        assignments = {0: ids[:replicas]}
        await self._create(
            NewTopic(topic, -1, -1, replica_assignments=assignments, topic_configs=dict(configs or {})), 1
        )

    async def create_on(self, topic: str, brokers: Sequence[KafkaBroker], configs: Mapping[str, str]) -> None:
        """Create a topic with one replica of each partition: on the first broker, on the second, and so on."""
        assignments = {index: [broker.node_id] for index, broker in enumerate(brokers)}
        settings = {"min.insync.replicas": "1", **configs}
        new = NewTopic(topic, -1, -1, replica_assignments=assignments, topic_configs=settings)
        await self._create(new, len(brokers))

    async def leading(self, topic: str, partition: int = 0) -> KafkaBroker:
        """The broker that leads a partition."""
        return self.brokers[await self.leader(topic, partition) - 1]


def demand_kafka() -> None:
    """Fail if something is missing. Never skip: these tests check promises to users."""
    for program in ("java", "openssl"):
        if shutil.which(program) is None:
            pytest.fail(f"the tests with Kafka need {program}: make test installs what is missing", pytrace=False)
    if not any(kafka_java.JARS.glob("kafka_*.jar")):
        pytest.fail("Kafka's jars are missing: run scripts/fetch_kafka.sh", pytrace=False)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """One broker for all tests of a worker, including the secure listener."""
    demand_kafka()
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka") / "broker", secure=True)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop(kill=True)


FAILED = pytest.StashKey[bool]()


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Remember for the fixtures whether a test failed."""
    if call.excinfo is not None:
        item.stash[FAILED] = True


@pytest.fixture(scope="session")
def _spare_brokers() -> Iterator[list[KafkaBroker]]:
    """The broker that a test was allowed to stop, for the next such test."""
    brokers: list[KafkaBroker] = []
    yield brokers
    for broker in brokers:
        broker.stop(kill=True)


@pytest.fixture
def kafka_to_restart(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _spare_brokers: list[KafkaBroker]
) -> Iterator[KafkaBroker]:
    """A broker that no other test uses at the same time, so that this one may stop, kill and start it. It has the
    topics of tests before. After a failure, the next test gets a new one."""
    demand_kafka()
    broker = _spare_brokers.pop() if _spare_brokers else KafkaBroker(tmp_path_factory.mktemp("kafka") / "broker")
    try:
        if not broker.running:
            broker.start()
        yield broker
    finally:
        if request.node.stash.get(FAILED, False):
            broker.stop(kill=True)
        else:
            _spare_brokers.append(broker)


@pytest.fixture
def kafka_factory(tmp_path: Path) -> Iterator[Callable[..., KafkaBroker]]:
    """Starts brokers that only this test uses."""
    demand_kafka()
    brokers: list[KafkaBroker] = []

    def make(*, secure: bool = False, auto_create: bool = False) -> KafkaBroker:
        broker = KafkaBroker(tmp_path / f"broker{len(brokers)}", secure=secure, auto_create=auto_create)
        brokers.append(broker)
        broker.start()
        return broker

    try:
        yield make
    finally:
        for broker in brokers:
            broker.stop(kill=True)


@pytest.fixture
def kafka_cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    """A cluster of three brokers that only this test uses."""
    demand_kafka()
    cluster = KafkaCluster(tmp_path)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
