"""SASL OAUTHBEARER against a real broker, which closes connections whose login is older than a second."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from support.kafka_access import SESSION_S, token
from support.kafka_broker import USER, KafkaBroker
from support.log_harness import Raw
from support.waiting import eventually
from touchline_kafka.access import token_source
from touchline_kafka.access.connection import Connection
from touchline_kafka.access.tokens import Token, TokenRefused
from touchline_kafka.client import Client
from touchline_kafka.cluster import Cluster
from touchline_kafka.follow.follower import FollowedRecord, Follower
from touchline_kafka.produce.producer import BoundedProducer
from touchline_kafka.security import Security
from touchline_kafka.topics import Topics
from touchline_protocol.errors import LogUnavailable, OperatorError

READ_S = 30.0


class Provider:
    """A provider that does what a test wants."""

    def __init__(self) -> None:
        self.calls = 0
        self.make: Callable[[], Token] = lambda: token(USER)

    def __call__(self) -> Token:
        self.calls += 1
        return self.make()


def provide() -> Token:
    """What the configuration names."""
    return chosen()


chosen = Provider()


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    fresh = Provider()
    monkeypatch.setitem(globals(), "chosen", fresh)
    return fresh


def cluster(kafka: KafkaBroker, connect_timeout_s: float = 30.0) -> Cluster:
    security = Security(sasl_mechanism="OAUTHBEARER", sasl_oauth_provider=f"{__name__}:provide")
    return Cluster([kafka.token_address], security, connect_timeout_s=connect_timeout_s)


async def connection_of(client: Client) -> Connection:
    connection = await client._get_conn(client.get_random_node())
    assert connection is not None
    return connection


async def test_sessions_that_end_lose_no_record_no_append_and_no_connection(
    kafka: KafkaBroker, provider: Provider
) -> None:
    topic, place = "token-sessions", cluster(kafka)
    await kafka.create(topic, 1)
    client = await place.connect()
    producer = BoundedProducer(place, Topics(client))
    sent: list[bytes] = []
    followed: list[bytes | None] = []
    async with Follower(place, [topic], since_ms=None) as follower:

        async def append() -> None:
            began = time.monotonic()
            while time.monotonic() - began < 2.2 * SESSION_S:
                sent.append(b"%d" % len(sent))
                await producer.append(topic, [Raw(b"7", sent[-1])])

        first = await connection_of(follower._consumer.client)
        appending = asyncio.create_task(append())
        async with asyncio.timeout(READ_S):
            while not appending.done() or len(followed) < len(sent):
                found = await follower.poll()
                followed += [one.record.value for one in found if isinstance(one, FollowedRecord)]
        await appending
        used = producer._connected_client
        assert used is not None
        assert follower._consumer.client.connections_lost == used.connections_lost == 0
        assert await connection_of(follower._consumer.client) is not first
    assert followed == sent
    assert provider.calls == 1
    await producer.close()
    await client.release()


async def test_a_session_that_ended_while_nothing_was_sent_is_not_used(kafka: KafkaBroker, provider: Provider) -> None:
    client = await cluster(kafka).connect()
    first = await connection_of(client)
    first.expires_at = time.monotonic()
    assert await connection_of(client) is not first
    assert (client.connections_lost, first.connected()) == (0, False)
    await client.release()


async def test_a_provider_that_fails_meanwhile_leaves_the_session_as_it_is(
    kafka: KafkaBroker, provider: Provider
) -> None:
    client = await cluster(kafka).connect()
    first = await connection_of(client)
    provider.make = lambda: token("nobody", lives_s=-1)
    client._sasl_oauth_token_provider._token = None
    first.renew_at = time.monotonic()
    assert await connection_of(client) is first
    await eventually(lambda: provider.calls > 1)
    assert await connection_of(client) is first
    await client.release()


def fail(error: BaseException) -> Callable[[], Token]:
    def make() -> Token:
        raise error

    return make


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (fail(TokenRefused("no such role")), "no such role"),
        (fail(OperatorError("set AWS_REGION")), "AWS_REGION"),
        (fail(TypeError("takes no argument")), "TypeError"),
        (lambda: "a token", "Token"),
        (lambda: Token("two words", time.time() + 60), "RFC 6750"),
        (lambda: Token("abc", time.time() + 60, extensions={"auth": "x"}), "'auth'"),
        (lambda: Token("abc", time.time() + 60, "ada"), "ada"),  # the broker refuses it
    ],
)
async def test_an_operator_is_asked_to_act_where_trying_again_is_useless(
    kafka: KafkaBroker, provider: Provider, make: Callable[[], Token], says: str
) -> None:
    provider.make = make
    with pytest.raises(OperatorError, match=says) as refused:
        await cluster(kafka).connect()
    assert not isinstance(refused.value, LogUnavailable)
    assert provider.calls == 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (fail(OSError("the identity provider is away")), "is away"),
        (lambda: token(USER, lives_s=-60), "60 s"),
    ],
)
async def test_a_provider_that_has_no_token_now_is_asked_again(
    kafka: KafkaBroker, provider: Provider, make: Callable[[], Token], says: str
) -> None:
    provider.make = make
    with pytest.raises(LogUnavailable, match=says):
        await cluster(kafka, connect_timeout_s=0.3).connect()
    assert provider.calls > 1
    provider.make = lambda: token(USER)
    await (await cluster(kafka).connect()).release()


async def test_a_provider_that_hangs_is_given_up_and_not_called_twice_at_once(
    kafka: KafkaBroker, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_source.TokenSource.__init__, "__kwdefaults__", {"deadline_s": 0.05})
    answer = threading.Event()

    def make() -> Token:
        answer.wait()
        return token(USER)

    provider.make = make
    place = cluster(kafka, connect_timeout_s=0.4)
    with pytest.raises(LogUnavailable, match=r"0\.05 s"):
        await place.connect()
    assert provider.calls == 1
    answer.set()
    await (await place.connect()).release()
