"""The table of codes: what a client does after each."""

import re

import pytest
from websockets.frames import CloseCode as Rfc6455

from touchline_protocol import codes
from touchline_protocol.codes import CLOSES, ERRORS, NACKS, CloseCode, ErrorCode, Recovery, recovery_of_close


def test_every_code_of_the_module_is_in_a_table_under_its_own_name() -> None:
    """A name that several tables share has a constant for each meaning, with the table as its prefix."""
    constants = {name: value for name, value in vars(codes).items() if isinstance(value, ErrorCode | CloseCode)}
    assert set(constants.values()) == {*ERRORS.values(), *NACKS.values(), *CLOSES.values()}
    assert all(constants[error.code.upper()] is error for error in ERRORS.values())
    for nack in NACKS.values():
        shared = nack.code in ERRORS and nack is not ERRORS[nack.code]
        assert constants["NACK_" * shared + nack.code.upper()] is nack
    for close in CLOSES.values():
        shared = close.name in ERRORS or close.name in NACKS
        assert constants["CLOSE_" * shared + close.name.upper()] is close


def test_names_are_plain_and_unique_within_their_table() -> None:
    names = [close.name for close in CLOSES.values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", name) for name in (*ERRORS, *NACKS, *names))


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
