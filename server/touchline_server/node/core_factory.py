"""Makes an edge's core from the settings: the one place where settings turn into the core's limits."""

import secrets
import time
from typing import TypeVar

from touchline_server.config.conflicts import MESSAGE_BYTES_BESIDES
from touchline_server.config.settings import Settings
from touchline_server.config.values import milliseconds
from touchline_server.core.admission.limits import AdmissionLimits
from touchline_server.core.clients.client import Client, ClientHub
from touchline_server.core.clients.limits import ClientLimits, RateLimits
from touchline_server.core.edge import EdgeCore
from touchline_server.core.edge_limits import EdgeLimits
from touchline_server.core.input_scheduler import InputBudget
from touchline_server.core.liveness import LivenessLimits
from touchline_server.core.players.access import Access
from touchline_server.core.players.action_queue import ActionLimits, ActionQueue, Check
from touchline_server.core.players.grants import Verify
from touchline_server.core.players.rate_limiter import RateLimiter
from touchline_server.core.players.verdicts import Verdicts
from touchline_server.core.presence.board import PresenceLimits
from touchline_server.core.rate import Rate
from touchline_server.core.rooms.feed import Feed
from touchline_server.core.rooms.hub import Hub
from touchline_server.core.rooms.hub_limits import HubLimits
from touchline_server.core.rooms.moves import Partitioner
from touchline_server.core.write_scheduler import Budget

from .action_schemas import ActionSchemas

Owner = TypeVar("Owner")

SPARE_FACTOR = 2
"""How much more than its actions a client may send: whatever `[actions]` allows never closes a connection."""

SESSION_NAME_BYTES = 12
"""The randomness in a session's name: enough that nobody guesses another player's."""


def make_core(
    settings: Settings,
    partitioner: Partitioner,
    *,
    stored: bool,
    verify: Verify | None = None,
    traces: bool = False,
) -> EdgeCore[Owner]:
    """A core for ``settings``. ``stored`` and ``traces`` as for `Hub`.

    Raises:
        OperatorError: a JSON Schema cannot be used.
    """
    feeds = [Feed(name, feed.topic, feed.key_field, feed.traceparents) for name, feed in settings.feeds.items()]
    hub: ClientHub[Owner] = Hub(feeds, hub_limits(settings), partitioner, stored=stored, traces=traces)
    return EdgeCore(
        hub,
        make_access(settings, verify),
        edge_limits(settings),
        make_name=lambda: secrets.token_urlsafe(SESSION_NAME_BYTES),
        clock=time.perf_counter,
        # Without keys nobody can act, and there is nobody to enforce a verdict on.
        verdicts_topic=settings.verdicts.topic if verify is not None else None,
    )


def make_access(settings: Settings, verify: Verify | None) -> Access[Client[Owner]]:
    """What all clients of an edge share."""
    acting = settings.actions
    verdicts = Verdicts(settings.verdicts.players_max)
    is_shared = settings.redis.url is not None and verify is not None  # without keys there are no players
    limiter = RateLimiter(per_second_max=acting.per_second_max, burst=acting.burst, is_shared=is_shared)
    limits = action_limits(settings)._replace(clock=secrets.token_hex(4))
    check = ActionSchemas(settings.feeds).check
    actions: ActionQueue[Client[Owner]] = ActionQueue(limiter, verdicts, settings.feeds.keys(), limits, check)
    return Access(
        verify,
        verdicts,
        limiter,
        actions,
        token_required=settings.auth.mode == "token",
        connections_max=settings.players.connections_max,
        is_shared=is_shared,
    )


def action_limits(settings: Settings) -> ActionLimits:
    """The limits of actions, without the name of a clock."""
    acting = settings.actions
    return ActionLimits(
        edge=settings.edge_name,
        data_bytes_max=acting.data_bytes_max,
        actions_window=acting.window,
        waiting_max=acting.waiting_max,
        retry_ms=milliseconds(acting.retry_s),
    )


def reload_core(core: EdgeCore[Owner], settings: Settings, verify: Verify | None, check: Check) -> None:
    """Have a core use the limits in ``settings`` that can change at run time, other keys and other schemas."""
    acting = settings.actions
    core.reload(edge_limits(settings))
    core.access.reload(
        verify,
        action_limits(settings),
        check,
        per_second_max=acting.per_second_max,
        burst=acting.burst,
        connections_max=settings.players.connections_max,
    )


def hub_limits(settings: Settings) -> HubLimits:
    """The limits of rooms and windows."""
    return HubLimits(
        window_bytes_max=settings.window_bytes_max,
        window_ms=milliseconds(settings.window_s),
        state_bytes_max=settings.state_bytes_max,
        room_idle_ms=milliseconds(settings.room_idle_s),
    )


def rate_limits(settings: Settings) -> RateLimits:
    """How often one client may do what."""
    rates, acting = settings.rates, settings.actions
    actions_per_second = max(acting.per_second_max, acting.window / acting.retry_s)
    action_bytes = acting.data_bytes_max + MESSAGE_BYTES_BESIDES
    return RateLimits(
        subscribes=Rate(per_second_max=rates.subscribes_per_second_max, burst=rates.subscribes_burst),
        refreshes=Rate(per_second_max=rates.refreshes_per_second_max, burst=rates.refreshes_burst),
        pings=Rate(per_second_max=rates.pings_per_second_max, burst=rates.pings_burst),
        refusals=Rate(per_second_max=rates.refusals_per_second_max, burst=rates.refusals_burst),
        messages=Rate(
            per_second_max=max(rates.messages_per_second_max, SPARE_FACTOR * actions_per_second),
            burst=max(rates.messages_burst, SPARE_FACTOR * acting.burst),
        ),
        payload_bytes=Rate(
            per_second_max=max(rates.bytes_per_second_max, SPARE_FACTOR * actions_per_second * action_bytes),
            burst=max(rates.bytes_burst, settings.message_bytes_max, SPARE_FACTOR * acting.burst * action_bytes),
        ),
    )


def admission_limits(settings: Settings) -> AdmissionLimits:
    """How many connections, and how many per second."""
    admission = settings.admission
    return AdmissionLimits(
        connections_per_address_max=admission.connections_per_address_max,
        connects=_rate_or_none(admission.connects_per_second_max, admission.connects_burst),
        connects_per_address=_rate_or_none(
            admission.connects_per_address_per_second_max, admission.connects_per_address_burst
        ),
    )


def _rate_or_none(per_second_max: float, burst: int) -> Rate | None:
    return Rate(per_second_max=per_second_max, burst=burst) if per_second_max else None


def edge_limits(settings: Settings) -> EdgeLimits:
    """The limits of clients, connections, turns and replays."""
    heartbeat_ms = milliseconds(settings.heartbeat_s)
    return EdgeLimits(
        client=ClientLimits(
            edge=settings.edge_name,
            heartbeat_ms=heartbeat_ms,
            message_bytes_max=settings.message_bytes_max,
            rooms_max=settings.rooms_max,
            replay_records_max=settings.replay_records_max,
            rates=rate_limits(settings),
        ),
        liveness=LivenessLimits(
            handshake_ms=milliseconds(settings.handshake_timeout_s),
            heartbeat_ms=heartbeat_ms,
            lag_ms_max=milliseconds(settings.lag_s_max),
            ack_ms_max=milliseconds(settings.admission.ack_timeout_s),
        ),
        budget=Budget.with_slices(settings.flush_slice_clients),
        input_budget=InputBudget(),
        connections_max=settings.connections_max,
        replay_concurrency=settings.replay_concurrency,
        admission=admission_limits(settings),
        presence=PresenceLimits(
            members_max=settings.presence.members_max,
            every_ms=milliseconds(settings.presence.interval_s),
            grace_ms=milliseconds(settings.presence.grace_s),
        ),
        move_margin_ms=milliseconds(settings.move_margin_s),
    )
