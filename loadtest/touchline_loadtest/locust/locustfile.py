"""The locustfile of ``make loadtest``: all users, and the shape that ``--shape`` names."""

from touchline_loadtest.locust.shapes.classes import ChosenShape
from touchline_loadtest.locust.users.fan import Fan

__all__ = ["ChosenShape", "Fan"]
