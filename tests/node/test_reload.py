"""Reloads beside what goes wrong: an issuer that is down, mistakes of ours, and several reloads at once."""

import asyncio
import pickle
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from auth.issuer import issuing
from auth.signed import SECRET
from edge.players import token
from support.log_lines import log_lines
from support.node_fixture import running_node
from support.waiting import DEADLINE_S, eventually
from touchline_protocol.errors import OperatorError
from touchline_protocol.messages import Hello, Welcome
from touchline_server.auth import jwks as jwks_module
from touchline_server.cli.serve import Fitting, reload_forever
from touchline_server.config.listener.tls import TlsSettings
from touchline_server.config.redis import RedisSettings
from touchline_server.config.settings import Settings
from touchline_server.config.tables import AuthSettings, FeedSettings, KafkaSettings
from touchline_server.node.node import Node
from touchline_server.node.supervisor.channel import Channel
from touchline_server.node.supervisor.messages import Refused, Reload, Reloaded, Report, Start, reports
from touchline_server.node.supervisor.supervisor import Supervisor
from touchline_server.node.supervisor.worker import Worker

DOWN = "http://127.0.0.1:1/jwks"


async def test_a_key_set_that_is_down_does_not_keep_other_settings_from_being_taken_over() -> None:
    auth = AuthSettings(hs256_secret=SECRET)
    async with running_node(auth=auth) as node:
        new = node.node.settings.model_copy(
            update={"auth": auth.model_copy(update={"jwks": DOWN}), "connections_max": 7}
        )
        await node.node.reload(new)
        assert node.node.settings == new
        assert not node.node.readiness().problems
        async with node.client(greeted=False) as client:
            await client.send(Hello(token=token()))
            assert isinstance(await client.next(), Welcome)


async def test_a_mistake_of_ours_in_a_reload_is_logged_and_the_next_one_works(caplog: pytest.LogCaptureFixture) -> None:
    hangup = asyncio.Event()
    async with running_node() as node:
        loads: Iterator[Exception | dict[str, Any]] = iter(
            [ZeroDivisionError("of ours"), OperatorError("the operator's"), {"connections_max": 7}]
        )

        def load() -> Settings:
            loaded = next(loads)
            if isinstance(loaded, Exception):
                raise loaded
            return node.node.settings.model_copy(update=loaded)

        reloading = asyncio.create_task(reload_forever(node.node, hangup, load, Fitting(node.node.settings, {}, 1)))
        hangup.set()
        await eventually(lambda: log_lines(caplog, "reload_failed"))
        hangup.set()
        await eventually(lambda: log_lines(caplog, "reload_refused"))
        hangup.set()
        await eventually(lambda: node.node.settings.connections_max == 7)
        reloading.cancel()
    (failed,) = log_lines(caplog, "reload_failed")
    assert failed["exc_info"]


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[tuple[Node, Channel[Report], list[Report]]]:
    """A worker's node that has not started, the supervisor's end of its channel, and what arrives there."""
    answers: list[Report] = []
    ours, theirs = socket.socketpair()
    channel: Channel[Report] = Channel(reports(), answers.append, lambda: None)
    await channel.start(ours)
    made = Worker(asyncio.Event())
    await made.connect(theirs)
    node = made.make_node(Start("edge-1/1", "127.0.0.1", 0, pickle.dumps(settings), {}))
    try:
        yield node, channel, answers
    finally:
        made.close()
        channel.close()
        await node.stop()


async def test_a_worker_takes_over_settings_in_the_order_of_the_reloads_whatever_each_waits_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jwks_module, "FETCH_TIMEOUT_S", 0.1)
    settings = Settings(log="sqlite://", auth=AuthSettings(hs256_secret=SECRET))
    async with issuing() as issuer, worker(settings) as (node, channel, answers):
        issuer.answer = None
        slow: dict[str, Any] = {"connections_max": 7, "auth": AuthSettings(hs256_secret=SECRET, jwks=issuer.url)}
        for number, update in enumerate((slow, {"connections_max": 8})):
            channel.send(Reload(number, pickle.dumps(settings.model_copy(update=update)), {}))
        await eventually(lambda: [each.id for each in answers if isinstance(each, Reloaded)] == [0, 1])
        assert node.settings.connections_max == 8


async def test_a_worker_answers_a_request_that_fails_by_a_mistake_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    async with worker(Settings(log="sqlite://")) as (_, channel, answers):
        channel.send(Reload(7, pickle.dumps("no settings"), {}))
        await eventually(lambda: [each.id for each in answers if isinstance(each, Refused)] == [7])
    (failed,) = log_lines(caplog, "supervisor_request_failed")
    assert failed["exc_info"]


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        ("schema.json", {"feeds": {"a": FeedSettings(topic="a", action_schemas={"*": Path("schema.json")})}}),
        ("key.pem", {"auth": AuthSettings(public_keys=[Path("key.pem")])}),
        ("keys.json", {"auth": AuthSettings(jwks="keys.json")}),
        ("cert.pem", {"tls": TlsSettings(cert_file=Path("cert.pem"))}),
        ("ca.pem", {"redis": RedisSettings(url="rediss://127.0.0.1:1", ca_file=Path("ca.pem"))}),
        (
            "cert.pem",
            {"redis": RedisSettings(url="rediss://127.0.0.1:1", cert_file=Path("cert.pem"), key_file=Path("key.pem"))},
        ),
        ("ca.pem", {"log": "kafka://127.0.0.1:1", "kafka": KafkaSettings(tls=True, ca_file="ca.pem")}),
        ("cert.pem", {"log": "kafka://127.0.0.1:1", "kafka": KafkaSettings(tls=True, cert_file="cert.pem")}),
    ],
)
async def test_a_file_that_cannot_be_read_is_an_error_before_any_worker_is_started(
    file: str, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    defaults: dict[str, Any] = {"log": "sqlite://", "port": 0, "control_port": 0}
    options = Settings(**(defaults | settings))
    supervisor = Supervisor(options, count=2, command=["/missing/program"], lowered={})
    try:
        with pytest.raises(OperatorError) as refused:
            await asyncio.wait_for(supervisor.start(), DEADLINE_S)
    finally:
        await supervisor.stop()
    assert file in str(refused.value)
    assert not log_lines(caplog, "worker_not_started")
