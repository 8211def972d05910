"""The locustfile of ``make loadtest``: an audience of all kinds of users, and the shape that ``--shape`` names.

A user's own locustfile is next to this package: ``loadtest/locustfile.py``.
"""

from touchline_loadtest.locust import users
from touchline_loadtest.locust.shapes.classes import ChosenShape

__all__ = ["Cheater", "ChosenShape", "Fan", "Player", "SlowFan", "StreamFan"]


class Fan(users.Fan):
    """Most people watch."""

    weight = 60


class Player(users.Player):
    """Some act."""

    weight = 25


class StreamFan(users.StreamFan):
    """Some read one room, over HTTP."""

    weight = 10


class SlowFan(users.SlowFan):
    """A few have slow connections."""

    weight = 3


class Cheater(users.Cheater):
    """A few cheat."""

    weight = 2
