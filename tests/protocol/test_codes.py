"""The table of codes: what a client does after each."""

import re

import pytest
from websockets.frames import CloseCode as Rfc6455

from touchline_protocol import codes
from touchline_protocol.codes import CLOSES, ERRORS, NACKS, CloseCode, ErrorCode, Recovery, recovery_of_close


def test_every_code_of_the_module_is_in_its_table_under_its_own_name() -> None:
    named = [value for value in vars(codes).values() if isinstance(value, ErrorCode | CloseCode)]
    assert [code for code in named if isinstance(code, ErrorCode)] == [*ERRORS.values(), *NACKS.values()]
    assert [code for code in named if isinstance(code, CloseCode)] == list(CLOSES.values())
    assert all(ERRORS[error.code] is getattr(codes, error.code.upper()) for error in ERRORS.values())
    assert all(NACKS[nack.code] is getattr(codes, nack.code.upper()) for nack in NACKS.values())
    assert all(CLOSES[close.code] is getattr(codes, close.name.upper()) for close in CLOSES.values())


def test_names_are_unique_and_plain() -> None:
    names = [*ERRORS, *NACKS, *(close.name for close in CLOSES.values())]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", name) for name in names)


@pytest.mark.parametrize("close", CLOSES.values(), ids=lambda close: close.name)
def test_a_close_code_is_one_of_the_standard_or_tells_its_recovery_by_its_range(close: CloseCode) -> None:
    if close.code < 3000:
        assert close.code in set(Rfc6455)
    else:
        assert 4000 <= close.code <= 4999
        assert close.recovery is (Recovery.GIVE_UP if close.code >= 4500 else Recovery.RECONNECT)


@pytest.mark.parametrize("close", CLOSES.values(), ids=lambda close: close.name)
def test_the_recovery_of_a_known_close_is_that_of_the_table(close: CloseCode) -> None:
    assert recovery_of_close(close.code) is close.recovery


@pytest.mark.parametrize(
    ("code", "recovery"),
    [
        (1012, Recovery.RECONNECT),
        (3999, Recovery.RECONNECT),
        (4499, Recovery.RECONNECT),
        (4599, Recovery.GIVE_UP),
        (4999, Recovery.GIVE_UP),
        (5000, Recovery.RECONNECT),
    ],
)
def test_the_recovery_of_a_close_that_is_not_in_the_table_is_told_by_its_range(code: int, recovery: Recovery) -> None:
    assert recovery_of_close(code) is recovery


def test_no_close_asks_to_retry_on_a_connection_that_is_gone() -> None:
    assert Recovery.RETRY not in {close.recovery for close in CLOSES.values()}
