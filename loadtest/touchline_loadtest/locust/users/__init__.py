"""The users, as classes for a locustfile: ``from touchline_loadtest.locust.users import Fan``. Imports Locust."""

from .fan import Fan

__all__ = ["Fan"]
