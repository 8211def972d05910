"""The users, as classes for a locustfile: ``from touchline_loadtest.locust.users import Fan``. Imports Locust.

Their weights are percentages: of 100 people most watch, some act, and a few have slow connections or cheat.
"""

from .cheater import Cheater
from .fan import Fan
from .player import Player
from .slow_fan import SlowFan
from .stream_fan import StreamFan

__all__ = ["Cheater", "Fan", "Player", "SlowFan", "StreamFan"]
