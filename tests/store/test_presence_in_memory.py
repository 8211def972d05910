"""Presence in memory keeps the contract."""

import pytest

from store.presence_contract import OutboxContract, PresenceContract
from store.presence_fleets import InMemory
from touchline_server.config.presence import PresenceSettings


@pytest.fixture
def fleet() -> InMemory:
    return InMemory(PresenceSettings(members_max=3, records=True, outbox_max=1000))


class TestPresence(PresenceContract):
    pass


class TestOutbox(OutboxContract):
    pass
