"""A pytest plugin: a test's id is short enough to be read and typed, however long the texts are that it is about."""

import pytest

TEXT_CHARS_MAX = 40
ID_CHARS_MAX = 200


def pytest_make_parametrize_id(val: object) -> str | None:
    """Cut a long text; pytest numbers ids that are the same."""
    text = val.decode("ascii", "backslashreplace") if isinstance(val, bytes) else val
    if not isinstance(text, str):
        return None
    return text[:TEXT_CHARS_MAX].encode("unicode_escape")[:TEXT_CHARS_MAX].decode("ascii")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test with a longer id: `ids=` of its parametrization gives it a short one."""
    long = [item.nodeid[:ID_CHARS_MAX] for item in items if len(item.nodeid) > ID_CHARS_MAX]
    if long:
        raise pytest.UsageError(f"ids of tests must not be longer than {ID_CHARS_MAX} characters: {long[:3]}")
