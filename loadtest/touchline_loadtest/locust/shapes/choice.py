"""Finding a schedule by the name that a user typed. Pure."""

from touchline_cli.suggestions import did_you_mean
from touchline_protocol.errors import OperatorError

from .schedules import SCHEDULES, MakeSchedule


class UnknownShape(OperatorError):
    """There is no shape with this name."""


def schedule_named(name: str) -> MakeSchedule:
    """The schedule with this name. Case and hyphens do not matter: ``kickoff`` is ``kick-off``.

    Raises:
        UnknownShape: there is none; the message has the name that is most like it, or all names.
    """
    names = {_plain(known): known for known in SCHEDULES}
    if (plain := _plain(name)) in names:
        return SCHEDULES[names[plain]]
    hint = did_you_mean(plain, names, names.__getitem__) or f"; there are {', '.join(SCHEDULES)}"
    raise UnknownShape(f"there is no shape {name!r}{hint}")


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
