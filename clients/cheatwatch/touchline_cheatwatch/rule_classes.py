"""Finds the class of a rule by its name, ``package.module:Class``. The class can be anybody's.

Rule: anything that goes wrong in somebody's module becomes one line that names the option and the place in their file.
"""

import importlib
import sys
from pathlib import Path
from traceback import extract_tb
from typing import Any

from touchline_cli.suggestions import did_you_mean
from touchline_protocol.errors import OperatorError

from .rules.base import Rule

_STANDARD = frozenset((Path(importlib.__file__).parent, Path(importlib.__file__).parent.parent))
"""Where Python's own ``importlib`` and ``typing`` are."""


def rule_class(path: str, option: str, source: str, folder: Path | None) -> type[Rule[Any]]:
    """The class that ``path`` names, of an installed package or of a module in the rule set's ``folder`` or in the
    working directory. ``option`` and ``source`` are for errors.

    Raises:
        OperatorError: there is no such class, or it is not a rule.
    """
    module_name, colon, class_name = path.partition(":")
    if not (module_name and colon and class_name):
        raise OperatorError(f"option {option!r} in {source}: {path!r} is not a class: write package.module:Class")
    own = [*([] if folder is None else [str(folder.resolve())]), str(Path.cwd())]
    sys.path += [one for one in own if one not in sys.path]
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # noqa: BLE001  # somebody's module may raise anything
        where = ""
        if isinstance(error, ModuleNotFoundError):
            where = f"; looked in {', '.join(dict.fromkeys(own))} and among the installed packages"
        raise OperatorError(
            f"option {option!r} in {source}: {module_name} cannot be imported: {describe(error)}{where}"
        ) from None
    found = getattr(module, class_name, None)
    if not isinstance(found, type) or not issubclass(found, Rule):
        known = [name for name, one in vars(module).items() if isinstance(one, type) and issubclass(one, Rule)]
        hint = did_you_mean(class_name, [name for name in known if name != "Rule"])
        raise OperatorError(f"option {option!r} in {source}: there is no rule {class_name} in {module_name}{hint}")
    if not isinstance(vars(found).get("State"), type) or "judge" not in vars(found):
        raise OperatorError(f"option {option!r} in {source}: {class_name} must have a method judge and a class State")
    return found


def describe(error: Exception) -> str:
    """What somebody's code raised, in one line, with the place in their file in the form that editors can open."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    places = [frame for frame in extract_tb(error.__traceback__) if _is_foreign(frame.filename)]
    where = f" ({places[-1].filename}, line {places[-1].lineno})" if places else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"


def _is_foreign(file: str) -> bool:
    """Whether code is neither ours nor part of how Python imports modules and resolves types."""
    path = Path(file)
    return path.parent not in _STANDARD | {Path(__file__).parent} and not file.startswith("<")
