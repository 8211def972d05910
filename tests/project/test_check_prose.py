"""The prose check finds the constructions that it is for, and leaves plain English alone."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_prose.py"


def findings(path: Path) -> list[str]:
    """Line and rule of each finding of the check in a file."""
    done = subprocess.run([sys.executable, SCRIPT, path], capture_output=True, text=True, check=False)
    *lines, _ = done.stdout.splitlines()
    assert done.returncode == (1 if lines else 0), done.stderr
    rows = [line.removeprefix(f"{path}:").split(": ") for line in lines]
    return [f"{row[0]} {row[1]}" for row in rows]


MARKDOWN = """\
# Who may act

To act, a client presents a token. Who acts shows
a token.

Nobody is there. Whoever comes back is
served. Who is it? There is no room.

- What is left of it is a number.
- The text is no cursor.
- It is no longer there, and is no larger than that.

| who may act | meaning |
|---|---|
| everyone | The name that is none. |

```
Who acts shows a token.
```

The `alg` is `none`. Who tests lets it pass. <!-- prose: ok -->
"""  # prose: ok

PYTHON = '''\
"""What a token grants; None if no token is required."""

BYTES_MAX = 5
"""Of a request."""

COUNT_MAX = 5
"""For each request, one is kept."""


class Bucket:
    """What is left of a bucket is a number."""

    # Who takes from it
    # waits.
    size = "the text is no number"

    def take(self) -> None:
        """To be called now and then."""
        raise ValueError(f"{self.size!r} is no number")


def test_a_hello_is_no_action() -> None:
    """Whoever tests lets it pass."""  # prose: ok
'''  # prose: ok

TOML = """\
# Who may connect is set here.
#mode = "open"

port = 8080 # that is no secret
"""  # prose: ok

YAML = """\
info:
  description: 'Who reads this is told in
    README.md. The name is no secret.'
"""  # prose: ok

SCRIPT_TEXT = """\
// Who watches
// waits.
const url = "https://example.org"; /* Whoever reads this. */
/** This is no
 *  comment. */
"""  # prose: ok


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "guide.md",
            MARKDOWN,
            ["3 free-relative", "6 free-relative", "9 free-relative", "10 is-no", "15 is-no"],
        ),
        (
            "module.py",
            PYTHON,
            ["4 fragment", "11 free-relative", "13 free-relative", "15 is-no", "18 fragment", "19 is-no", "22 is-no"],
        ),
        ("settings.toml", TOML, ["1 free-relative", "4 is-no"]),
        ("api.yaml", YAML, ["2 free-relative", "3 is-no"]),
        ("page.js", SCRIPT_TEXT, ["1 free-relative", "3 free-relative", "4 is-no"]),
    ],
)
def test_every_construction_is_found_at_its_line(tmp_path: Path, name: str, text: str, expected: list[str]) -> None:
    file = tmp_path / name
    file.write_text(text, "utf-8")
    assert findings(file) == expected


@pytest.mark.parametrize(
    "sentence",
    [
        "What a client should do after a close.",
        "What can go wrong, and whose fault it is.",
        "What the token grants, and until when it is valid.",
        "Whatever the codec, the frame is shared.",
        "There is no room of that name, and there are none like it.",
        "What a client sends once it is connected, and whether it was heard.",
        "From each batch, one record is left.",
        "For each end of an event: when it was sent.",
        "For example, a score is a room.",
        "Tokens: who a client is, and what it may do.",
        "It is none of these three.",
    ],
)
def test_plain_english_is_left_alone(tmp_path: Path, sentence: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(f'"""{sentence}"""\n', "utf-8")
    assert findings(file) == []
