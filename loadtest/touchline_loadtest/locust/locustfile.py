"""The locustfile of ``make loadtest``: an audience of all kinds of users, and the shape that ``--shape`` names.

A user's own locustfile is next to this package: ``loadtest/locustfile.py``.
"""

from touchline_loadtest.locust.shapes.classes import ChosenShape
from touchline_loadtest.locust.users import Cheater, Fan, Player, SlowFan, StreamFan

__all__ = ["Cheater", "ChosenShape", "Fan", "Player", "SlowFan", "StreamFan"]
