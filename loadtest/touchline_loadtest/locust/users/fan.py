"""A fan: watches a few rooms, leaves, and comes back."""

from typing import ClassVar

from locust.env import Environment

from touchline.errors import ConnectionFailed, RoomRefused
from touchline_loadtest.locust.connection.client import Client, NoAnswer
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Deliver

from .base import TouchlineUser


class Fan(TouchlineUser):
    """Watches 1 to 5 rooms for a while, leaves, and comes back, mostly to the same rooms with its cursors."""

    weight = 60
    deliver: ClassVar[Deliver] = "all"
    faithful: ClassVar[float] = 0.8
    """The share of returns to the same rooms; the others choose rooms again."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.cursors: dict[str, Cursor] = {}
        self.client: Client | None = None

    def visit(self) -> None:
        """One visit."""
        rooms = self._choose_rooms()
        self.client = client = self.new_client()
        try:
            client.open()
            for room in rooms:
                client.follow(room, after=self.cursors.get(room), deliver=self.deliver)
            client.wait_joined()
            self.watch(client, self.stay_s())
        except (ConnectionFailed, RoomRefused, NoAnswer):
            pass  # the observer has reported why
        finally:
            self.cursors = client.cursors()
            client.close()
            self.client = None

    def watch(self, client: Client, seconds: float) -> None:
        """What the fan does while in its rooms. At half-time this has to return."""
        self.pause(seconds)

    def cut(self) -> None:
        """Lose the connection, without a close."""
        if self.client is not None:
            self.client.cut()

    def give_up(self) -> None:
        """End the visit, as somebody does whose page stays empty."""
        if self.client is not None:
            self.client.give_up()

    def on_stop(self) -> None:
        """Leave properly."""
        super().on_stop()
        if self.client is not None:
            self.client.close()

    def _choose_rooms(self) -> list[str]:
        """The rooms of the next visit; ``cursors`` has those to come back with."""
        if self.cursors and self.random.random() < self.faithful:
            return list(self.cursors)
        self.cursors = {}
        return self.choice.choose(self.random.randint(*self.room_counts), self.random)
