"""What a close by the server means, in words."""

import pytest

from touchline.session.close_text import describe_close
from touchline.session.items import Verdict
from touchline_protocol.codes import BANNED


@pytest.mark.parametrize(("reason", "end"), [("", "UTC"), ("cheating", "UTC: cheating")])
def test_a_ban_without_a_reason_ends_with_its_time(reason: str, end: str) -> None:
    verdict = Verdict(kind="ban", reason=reason, until=1_700_000_000_000)
    assert describe_close(BANNED.code, "", "", verdict, no_newer_token=False).endswith(end)
