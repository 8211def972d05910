"""Everything in docs/tokens.md works as shown: commands, configuration, code and error codes."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from auth.signed import KEYS, jwks
from cli.processes import DEADLINE_S
from project.test_readme import ROOT, commands_in
from touchline_protocol.codes import ERRORS
from touchline_server.auth.verifier import make_verifier
from touchline_server.config.loading import load_settings
from touchline_server.config.tables import AuthSettings

PAGE = (ROOT / "docs" / "tokens.md").read_text("utf-8")

PLAYER = re.compile(r"touchline token (\S+)")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_the_commands_print_tokens_that_the_secret_verifies() -> None:
    export, *making = commands_in(PAGE)
    script = f'touchline() {{ {sys.executable} -m touchline_server "$@"; }}\n{export}\n'
    script += 'echo "$TOUCHLINE_AUTH__HS256_SECRET"\n' + "\n".join(making)
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    secret, *tokens = done.stdout.splitlines()
    verifier = make_verifier(AuthSettings(hs256_secret=secret))
    assert verifier is not None
    players = [verifier.verify(token, now_ms()).player for token in tokens]
    assert players == [PLAYER.findall(command)[0] for command in making]
    assert players


@pytest.mark.parametrize("text", blocks("toml"))
def test_the_configuration_is_valid(tmp_path: Path, text: str) -> None:
    (tmp_path / "touchline.toml").write_text(text)
    load_settings(tmp_path / "touchline.toml")


def test_the_code_makes_tokens_that_the_configuration_accepts(tmp_path: Path) -> None:
    code: dict[str, object] = {}
    exec(blocks("python")[0], code)
    make = code["token_for"]
    assert callable(make)
    token = make("alice", "15946", KEYS["ES256"].private_pem.decode())
    (tmp_path / "touchline.toml").write_text(blocks("toml")[0])
    auth = load_settings(tmp_path / "touchline.toml").auth
    (tmp_path / "jwks.json").write_bytes(jwks(**{"2026-07": KEYS["ES256"]}))
    verifier = make_verifier(auth.model_copy(update={"jwks": str(tmp_path / "jwks.json")}))
    assert verifier is not None
    grant = verifier.verify(token, now_ms())
    assert grant.player == "alice"
    assert grant.act.allow("match:15946")
    assert not grant.act.allow("match:1")


def test_the_page_lists_every_code_about_tokens() -> None:
    table = PAGE.partition("## When a token is refused")[2].partition("##")[0]
    listed = {code for row in table.splitlines() if row.startswith("| `") for code in re.findall(r"`(token_\w+)`", row)}
    assert listed == {code for code in ERRORS if code.startswith("token_")}
