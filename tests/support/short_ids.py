"""A pytest plugin that keeps test ids short enough to read and type, however long a test's parameters are."""

import pytest

TEXT_CHARS_MAX = 40
ID_CHARS_MAX = 200


def pytest_make_parametrize_id(val: object) -> str | None:
    """Truncate long text. pytest numbers ids that become equal."""
    text = val.decode("ascii", "backslashreplace") if isinstance(val, bytes) else val
    if not isinstance(text, str):
        return None
    return text[:TEXT_CHARS_MAX].encode("unicode_escape")[:TEXT_CHARS_MAX].decode("ascii")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse tests with long ids. The argument `ids=` of their parametrization shortens them."""
    long = [item.nodeid[:ID_CHARS_MAX] for item in items if len(item.nodeid) > ID_CHARS_MAX]
    if long:
        raise pytest.UsageError(f"test ids must not be longer than {ID_CHARS_MAX} characters: {long[:3]}")
