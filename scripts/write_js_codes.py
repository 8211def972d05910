#!/usr/bin/env python3
"""Write the codes and limits of the protocol for the TypeScript SDK: files in clients/js/src, `FILES` below.

`touchline_protocol` has the only list of each. With --check nothing is written: it exits with 1 if a file is stale.
"""

import ast
import inspect
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from touchline_protocol import limits
from touchline_protocol.codes import CLOSES, ERRORS, GIVE_UP_CLOSES, NACKS, CloseCode, ErrorCode, Recovery

SOURCES = Path(__file__).parents[1] / "clients" / "js" / "src"
LINE_CHARS_MAX = 120
CLOSE_CODES_OWN_MIN = 4000
"""Codes of applications begin here (RFC 6455, section 7.4.2)."""

CODES_HEAD = """\
/**
 * Every error, nack and close code, what it means, and what a client does about it.
 *
 * Written by scripts/write_js_codes.py from the protocol's table (`make js-codes`): do not edit it. An event has
 * one name wherever it is reported, and its recovery depends on where that is: `token_expired` can be an error, a nack
 * and a close.
 */

/**
 * What a client does after a code: `reconnect` with backoff and resume from the cursors; `retry`, since the connection
 * stays open and the same message may succeed later; `give_up`, since the result would be the same again.
 */
export type Recovery = "reconnect" | "retry" | "give_up";
"""

RECOVERY_HEAD = """\
/**
 * Which errors and closes a client recovers from, and the names of some closes: what every page needs of the codes.
 *
 * Written by scripts/write_js_codes.py from the protocol's table (`make js-codes`): do not edit it. The rules for codes
 * that are not in it, since the server is newer, are in "Codes" of protocol/README.md.
 */
"""

NACKS_HEAD = """\
/**
 * Which nacks a client recovers from.
 *
 * Written by scripts/write_js_codes.py from the protocol's table (`make js-codes`): do not edit it.
 */
"""

LIMITS_HEAD = """\
/**
 * The limits of the protocol itself, which no operator can raise, with the reason for each.
 *
 * Written by scripts/write_js_codes.py from `touchline_protocol.limits` (`make js-codes`): do not edit it.
 */
"""


class Member(NamedTuple):
    """A code: the name and value of its constant, and what a client does after it."""

    name: str
    value: str | int
    meaning: str
    recovery: Recovery


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
    """An object of constants with the union type of their values."""
    entries = "".join(
        f"{doc(f'{each.meaning} (`{each.recovery}`)', '  ')}  {each.name}: {literal(each.value)},\n" for each in members
    )
    return (
        f"\n{doc(f'The codes of {what}.')}export const {kind} = {{\n{entries}}} as const;\n"
        f"export type {kind} = (typeof {kind})[keyof typeof {kind}];\n"
    )


def code_set(name: str, documentation: str, codes: Iterable[str | int]) -> str:
    """A set of codes."""
    codes = list(codes)
    kind = "string" if isinstance(codes[0], str) else "number"
    head = f"export const {name}: ReadonlySet<{kind}> = new Set(["
    line = f"{head}{', '.join(map(literal, codes))}]);"
    lines = "".join((head, *(f"\n  {literal(code)}," for code in codes), "\n]);"))
    return f"\n{doc(documentation)}{line if len(line) <= LINE_CHARS_MAX else lines}\n"


def close_names(codes: Iterable[CloseCode]) -> str:
    """The names of the closes of WebSockets themselves: those of ours carry their names as their reasons."""
    documentation = "The names of closes below 4000. All others carry theirs as their reason."
    entries = "".join(f"  {each.code}: {literal(each.name)},\n" for each in codes if each.code < CLOSE_CODES_OWN_MIN)
    return f"\n{doc(documentation)}export const CLOSE_NAMES: Readonly<Record<number, string>> = {{\n{entries}}};\n"


def literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def messages(codes: Iterable[ErrorCode]) -> Iterator[Member]:
    return (Member(each.code.upper(), each.code, each.meaning, each.recovery) for each in codes)


def closes(codes: Iterable[CloseCode]) -> Iterator[Member]:
    return (Member(each.name.upper(), each.code, each.meaning, each.recovery) for each in codes)


def codes_module() -> str:
    """The text of codes.ts."""
    return (
        CODES_HEAD
        + constants("ErrorCode", "`error` messages", messages(ERRORS.values()))
        + constants("NackCode", "`nack` messages", messages(NACKS.values()))
        + constants("CloseCode", "close frames", closes(CLOSES.values()))
    )


def recoverable(codes: Iterable[ErrorCode]) -> list[str]:
    return [each.code for each in codes if each.recovery is not Recovery.GIVE_UP]


def recovery_module() -> str:
    """The text of recovery-codes.ts."""
    final = [each for each in CLOSES.values() if each.recovery is Recovery.GIVE_UP]
    errors = "The codes of `error` messages after which a client tries again. After any other, it gives up."
    closes = f"The closes after which a client gives up, besides all from {GIVE_UP_CLOSES[0]} to {GIVE_UP_CLOSES[-1]}."
    return (
        RECOVERY_HEAD
        + code_set("RECOVERABLE_ERRORS", errors, recoverable(ERRORS.values()))
        + code_set("FINAL_CLOSES", closes, [each.code for each in final if each.code not in GIVE_UP_CLOSES])
        + close_names(CLOSES.values())
    )


def nacks_module() -> str:
    """The text of machine/actions/nack-codes.ts: only clients that act load it."""
    documentation = (
        "The codes of `nack` messages after which a client tries again. After any other, it gives up, unless the nack "
        "says when to retry."
    )
    return NACKS_HEAD + code_set("RECOVERABLE_NACKS", documentation, recoverable(NACKS.values()))


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


FILES: dict[str, Callable[[], str]] = {
    "codes.ts": codes_module,
    "recovery-codes.ts": recovery_module,
    "machine/actions/nack-codes.ts": nacks_module,
    "limits.ts": limits_module,
}


def main(*, check: bool) -> int:
    """Write the files, or say which of them are stale."""
    stale = []
    for name, module in FILES.items():
        path, text = SOURCES / name, module()
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, "utf-8")
    if check and stale:
        sys.stdout.write(f"clients/js/src: stale, write with `make js-codes`: {', '.join(stale)}\n")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
