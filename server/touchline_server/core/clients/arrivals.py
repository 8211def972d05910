"""Exchanges with the player store: clients that wait for its answer, and those whose session another edge has claimed.

The shell takes an exchange (`next_exchange`), carries it to the store, and hands in the answer, one after the other.
"""

from collections.abc import Callable, Iterator
from typing import Generic

from touchline_server.core.clocks import Now
from touchline_server.core.effects import Effect, Owner, Unreachable
from touchline_server.core.input_scheduler import InputScheduler
from touchline_server.core.players.player_store import Answer, Exchange
from touchline_server.core.players.shared_players import Admitted, SharedPlayers

from .client import Client, ClientState
from .signing_in import let_in, refuse_connection


class Arrivals(Generic[Owner]):
    """What the player store's answers mean for clients. ``greeted`` is called with each client that was let in or
    refused: it may have to be told more, or to catch up."""

    def __init__(
        self,
        fleet: "SharedPlayers[Client[Owner]]",
        input_: InputScheduler[Owner],
        greeted: Callable[[Client[Owner], Now], None],
    ) -> None:
        self._fleet = fleet
        self._input = input_
        self._greeted = greeted

    @property
    def is_urgent(self) -> bool:
        """Whether the shell should begin an exchange now, if none is under way."""
        return self._fleet.is_urgent

    @property
    def problem(self) -> str | None:
        """Why the store does not answer; None if it does."""
        return self._fleet.problem

    def next_exchange(self, now: Now) -> Exchange:
        """What is to be exchanged next."""
        return self._fleet.next_exchange(now.loop_ms)

    def answered(self, answer: Answer | Unreachable, now: Now) -> Iterator[Effect[Owner]]:
        """The outcome of the exchange that was under way."""
        if isinstance(answer, Unreachable):
            outcome = self._fleet.failed(answer.why)
        else:
            outcome = self._fleet.answered(answer, now.loop_ms)
        for session in outcome.lost:
            loser = session.client
            if loser is not None:
                loser.access.actions.leave(session, now.loop_ms)
                loser.lose_session()
                yield from loser.take_effects(now)
        for admitted in outcome.admitted:
            yield from self._admitted(admitted, now)

    def _admitted(self, admitted: "Admitted[Client[Owner]]", now: Now) -> Iterator[Effect[Owner]]:
        (client, _, _), admission = admitted
        if client.state is ClientState.CLOSED:
            self._fleet.unclaim(*admitted)
            return
        replaced = None
        if client.state is ClientState.ENTERING:
            replaced = let_in(client, admission, now)
            self._greeted(client, now)
            self._input.release(client.owner)
        elif admission.is_refused:
            refuse_connection(client)
        yield from client.take_effects(now)
        if replaced is not None:
            yield from replaced.take_effects(now)
