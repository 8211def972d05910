"""CI turns every skip into a failure."""

import pytest

from support.no_skips import REASON

pytest_plugins = ["pytester"]

SKIPS = {
    "a call": "import pytest\n\ndef test_it():\n    pytest.skip('no broker')\n",
    "a marker": "import pytest\n\n@pytest.mark.skip(reason='no broker')\ndef test_it():\n    pass\n",
    "a fixture": "import pytest\n\n@pytest.fixture\ndef broker():\n    pytest.skip('no broker')\n\n"
    "def test_it(broker):\n    pass\n",
    "a file": "import pytest\n\npytest.skip('no broker', allow_module_level=True)\n",
    "an expected failure": "import pytest\n\n@pytest.mark.xfail(reason='no broker')\n"
    "def test_it():\n    assert False\n",
}


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this the inner pytest would import every installed plugin again, which takes a second."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


IN_A_WORKER = ("-p", "xdist.plugin", "-p", "xdist.looponfail", "--numprocesses=1")


@pytest.mark.parametrize("workers", [(), pytest.param(IN_A_WORKER, marks=pytest.mark.outside)], ids=["alone", "worker"])
@pytest.mark.parametrize("source", SKIPS.values(), ids=SKIPS.keys())
def test_a_skip_fails_in_ci_with_its_reason(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, source: str, workers: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(source)
    result = pytester.runpytest("-p", "support.no_skips", *workers)
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines([f"*{REASON}*", "*no broker*"])


def test_a_skip_is_a_skip_elsewhere(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    pytester.makepyfile(SKIPS["a call"])
    pytester.runpytest("-p", "support.no_skips").assert_outcomes(skipped=1)


def test_a_test_that_passes_passes_in_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile("def test_it():\n    pass\n")
    pytester.runpytest("-p", "support.no_skips").assert_outcomes(passed=1)
