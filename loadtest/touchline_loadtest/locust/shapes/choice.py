"""Finding a schedule by the name that a user typed. Pure."""

from difflib import get_close_matches

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
    close = get_close_matches(plain, list(names), n=1)
    hint = f"did you mean {names[close[0]]}?" if close else f"there are {', '.join(SCHEDULES)}"
    raise UnknownShape(f"there is no shape {name!r}; {hint}")


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
