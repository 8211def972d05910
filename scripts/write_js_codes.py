#!/usr/bin/env python3
"""Write the codes and limits of the protocol for the TypeScript SDK: clients/js/src/codes.ts and limits.ts.

`touchline_protocol` has the only list of each. With --check nothing is written: it exits with 1 if a file is stale.
"""

import ast
import inspect
import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from touchline_protocol import limits
from touchline_protocol.codes import CLOSES, ERRORS, GIVE_UP_CLOSES, NACKS, CloseCode, ErrorCode, Recovery

SOURCES = Path(__file__).parents[1] / "clients" / "js" / "src"
LINE_CHARS_MAX = 120

CODES_HEAD = """\
/**
 * Every error, nack and close code, what it means, and what a client does about it.
 *
 * Written by scripts/write_js_codes.py from the protocol's table (`make js-codes`): do not edit it. An event has
 * one name wherever it is reported, and its recovery depends on where that is: `token_expired` can be an error, a nack
 * and a close. recovery.ts says what to do about a code that is not in these tables.
 */

/**
 * What a client does after a code: `reconnect` with backoff and resume from the cursors; `retry`, since the connection
 * stays open and the same message may succeed later; `give_up`, since the result would be the same again.
 */
export type Recovery = "reconnect" | "retry" | "give_up";
"""

LIMITS_HEAD = """\
/**
 * The limits of the protocol itself, which no operator can raise, with the reason for each.
 *
 * Written by scripts/write_js_codes.py from `touchline_protocol.limits` (`make js-codes`): do not edit it.
 */
"""


class Member(NamedTuple):
    """A code: the name and value of its constant, and the recovery after it and after an unknown code in its place."""

    name: str
    value: str | int
    meaning: str
    recovery: Recovery
    default: Recovery


def doc(text: str, indent: str = "") -> str:
    """A documentation comment: on one line if it fits."""
    text = " ".join(text.replace("``", "`").split())
    if len(f"{indent}/** {text} */") <= LINE_CHARS_MAX:
        return f"{indent}/** {text} */\n"
    lines, line = [], ""
    for word in text.split():
        if len(f"{indent} * {line} {word}") > LINE_CHARS_MAX:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".lstrip()
    body = "".join(f"{indent} * {each}\n" for each in [*lines, line])
    return f"{indent}/**\n{body}{indent} */\n"


def constants(kind: str, what: str, members: Iterable[Member]) -> str:
    """An object of constants with the union type of their values, and the table of recoveries.

    The table lacks the recoveries that an unknown code has as well: it is part of every page that uses the SDK.
    """
    members = list(members)
    entries = "".join(
        f"{doc(f'{each.meaning} (`{each.recovery}`)', '  ')}  {each.name}: {literal(each.value)},\n" for each in members
    )
    exceptions = [each for each in members if each.recovery is not each.default]
    table = "".join(f"  {each.value}: {literal(each.recovery.value)},\n" for each in exceptions)
    return (
        f"\n{doc(f'The codes of {what}.')}export const {kind} = {{\n{entries}}} as const;\n"
        f"export type {kind} = (typeof {kind})[keyof typeof {kind}];\n\n"
        f"{doc(f'The codes of {what} after which a client does not do what it does after unknown ones: recovery.ts.')}"
        f"export const {kind.upper().removesuffix('CODE')}_RECOVERY: Readonly<Partial<Record<{kind}, Recovery>>> = "
        f"{{\n{table}}};\n"
    )


def close_names(codes: Iterable[CloseCode]) -> str:
    """The names of closes as one text: pages that only watch load it, but not the constants."""
    lines = "".join(f"\n{each.code} {each.name}" for each in codes)
    documentation = doc("The names of close codes in the table of the protocol, for messages.")
    return f"\n{documentation}export const CLOSE_NAMES = `{lines}\n`;\n"


def literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def messages(codes: Iterable[ErrorCode]) -> Iterator[Member]:
    return (Member(each.code.upper(), each.code, each.meaning, each.recovery, Recovery.GIVE_UP) for each in codes)


def closes(codes: Iterable[CloseCode]) -> Iterator[Member]:
    for each in codes:
        default = Recovery.GIVE_UP if each.code in GIVE_UP_CLOSES else Recovery.RECONNECT
        yield Member(each.name.upper(), each.code, each.meaning, each.recovery, default)


def codes_module() -> str:
    """The text of codes.ts."""
    return (
        CODES_HEAD
        + constants("ErrorCode", "`error` messages", messages(ERRORS.values()))
        + constants("NackCode", "`nack` messages", messages(NACKS.values()))
        + constants("CloseCode", "close frames", closes(CLOSES.values()))
        + close_names(CLOSES.values())
    )


def limits_module() -> str:
    """The text of limits.ts: each limit with its documentation."""
    body = ast.parse(inspect.getsource(limits)).body
    parts = [LIMITS_HEAD]
    for assignment, documentation in itertools.pairwise(body):
        if isinstance(assignment, ast.Assign) and isinstance(documentation, ast.Expr):
            (target,) = assignment.targets
            name, text = ast.unparse(target), ast.literal_eval(documentation.value)
            parts.append(f"\n{doc(text)}export const {name} = {getattr(limits, name):_};\n")
    return "".join(parts)


def main(*, check: bool) -> int:
    """Write both files, or say which of them is stale."""
    stale = []
    for name, text in (("codes.ts", codes_module()), ("limits.ts", limits_module())):
        path = SOURCES / name
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(path.name)
            if not check:
                path.write_text(text, "utf-8")
    if check and stale:
        sys.stdout.write(f"clients/js/src: stale, write with `make js-codes`: {', '.join(stale)}\n")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
