"""``touchline token`` prints a token that a server with the same configuration accepts."""

import time
from pathlib import Path

import jwt
import pytest

from auth.signed import KEYS, SECRET
from cli.processes import run as run_process
from touchline_server.auth.verifier import make_verifier
from touchline_server.cli.app import run
from touchline_server.config.loading import load_settings
from touchline_server.core.players.grants import Grant

CONFIG = f"""
[auth]
mode = "token"
hs256_secret = "{SECRET}"
audience = "touchline"
issuer = "https://id.example"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "touchline.toml"
    file.write_text(CONFIG)
    return file


def made(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert run(["token", *args]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    token, end = out[:-1], out[-1]
    assert end == "\n"
    assert not set(token) & set(" \n")
    return token


def granted(token: str, config: Path) -> Grant:
    verifier = make_verifier(load_settings(config).auth)
    assert verifier is not None
    return verifier.verify(token, time.time_ns() // 1_000_000)


def test_a_server_with_the_same_configuration_accepts_the_token(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin_s = int(time.time())
    token = made(capsys, "alice", "--config", str(config))
    grant = granted(token, config)
    assert (grant.player, grant.rooms.texts, grant.act.texts) == ("alice", ("*",), ("*",))
    assert not grant.members.texts
    claims = jwt.decode(token, options={"verify_signature": False})
    assert begin_s <= claims["iat"] <= time.time()
    assert claims["exp"] - claims["iat"] == 3600


def test_rooms_and_lifetime_are_those_of_the_options(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rooms = ["--rooms", "match:*", "--rooms", "score:7", "--act", "match:7", "--members", "match:7"]
    args = [*rooms, "--minutes", "0.5", "--config", str(config)]
    token = made(capsys, "bob", *args)
    grant = granted(token, config)
    assert (grant.rooms.texts, grant.act.texts) == (("match:*", "score:7"), ("match:7",))
    assert grant.members.texts == ("match:7",)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 30


def test_a_private_key_can_sign_instead_of_the_secret(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("private.pem").write_bytes(KEYS["EdDSA"].private_pem)
    Path("public.pem").write_bytes(KEYS["EdDSA"].pem)
    token = made(capsys, "alice", "--key-file", "private.pem", "--kid", "mine")
    assert jwt.get_unverified_header(token)["kid"] == "mine"
    config.write_text('[auth]\npublic_keys = ["public.pem"]\n')
    assert granted(token, config).player == "alice"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("", "PLAYER"),
        ("alice", "TOUCHLINE_AUTH__HS256_SECRET"),
        ("alice --key-file nothing.pem", "nothing.pem"),
        ("alice --key-file touchline.toml", "touchline.toml"),
        ("alice --config touchline.toml --minutes -1", "--minutes"),
        ("alice --config touchline.toml --minutes nan", "--minutes"),
        ("a\tb --config touchline.toml", "'a\\tb'"),
        ("alice --config touchline.toml" + " --act x" * 101, "101"),
        ("alice --config touchline.toml --rooms " + "x" * 8000, "8192"),
    ],
)
@pytest.mark.usefixtures("config")
def test_a_mistake_is_one_line(line: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["token", *line.split(" ")] if line else ["token"]) == 2
    out, err = capsys.readouterr()
    assert named in err
    assert err.count("\n") == 1
    assert out == ""


def test_a_short_secret_is_an_error_that_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOUCHLINE_AUTH__HS256_SECRET", "tiny secret")
    assert run(["token", "alice"]) == 2
    err = capsys.readouterr().err
    assert "TOUCHLINE_AUTH__HS256_SECRET" in err
    assert "32" in err
    assert "tiny secret" not in err


def test_the_installed_command_prints_the_token_alone() -> None:
    done = run_process("token", "alice", env={"TOUCHLINE_AUTH__HS256_SECRET": SECRET})
    assert (done.returncode, done.stderr) == (0, "")
    assert jwt.decode(done.stdout.removesuffix("\n"), SECRET, ["HS256"])["sub"] == "alice"
