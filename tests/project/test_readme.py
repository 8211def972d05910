"""Every shell command and snippet in README.md is run by a test.

COMMANDS has the test of each: `tests/file.py::test_name`, or the path of a script that contains the command. A new
command in README.md fails here until its test is named, and so does an entry whose test or command is gone. SNIPPETS
has the tests of the other blocks, by the languages in which they are fenced, in order.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

FROM_THE_README = "tests/e2e/test_readme_commands.py"
AT_KAFKA = f"{FROM_THE_README}::test_the_commands_for_kafka_work_one_after_the_other"
A_PLAYER = f"{FROM_THE_README}::test_a_player_acts_and_cheatwatch_sees_it"

COMMANDS: dict[str, str] = {
    "make demo": "tests/demo/test_demo_command.py::test_make_demo_serves_the_page",
    "make test": ".ci/run",
    "touchline topics --create --partitions 8 --log kafka://localhost:9092": AT_KAFKA,
    "touchline serve --log kafka://localhost:9092": AT_KAFKA,
    "touchline tail score:15946": AT_KAFKA,
    'touchline publish score:15946 \'{"home": 1, "away": 0}\' --key score': AT_KAFKA,
    ". .venv/bin/activate": f"{FROM_THE_README}::test_activating_the_environment_puts_both_commands_on_the_path",
    "touchline replay --sample --room match:15946 --speed 60": AT_KAFKA,
    "touchline simulate --matches 5 --rate 2": AT_KAFKA,
    'export TOUCHLINE_AUTH__HS256_SECRET="only-for-trying-it-out-0123456789"': A_PLAYER,
    "export TOUCHLINE_TOKEN=\"$(touchline token alice --act 'match:*')\"": A_PLAYER,
    "python watch.py": f"{FROM_THE_README}::test_the_python_client_follows_a_room",
    "python act.py": A_PLAYER,
    "cheatwatch watch --log kafka://localhost:9092": A_PLAYER,
    "curl -N http://localhost:8080/v1/rooms/score:15946/events": (
        f"{FROM_THE_README}::test_curl_follows_a_room_as_server_sent_events"
    ),
    "python -m websockets ws://localhost:8080/ws": (
        f"{FROM_THE_README}::test_a_plain_client_that_nobody_here_wrote_follows_a_room"
    ),
}

SNIPPETS = [
    ("json", f"{FROM_THE_README}::test_a_plain_client_that_nobody_here_wrote_follows_a_room"),
    ("js", f"{FROM_THE_README}::test_a_browser_follows_a_room_as_server_sent_events"),
    ("python", f"{FROM_THE_README}::test_the_python_client_follows_a_room"),
    ("ts", "tests/js/test_packed.py::test_the_snippet_of_the_readme_follows_a_room"),
    ("python", A_PLAYER),
]

FENCE = re.compile(r"^```(\w+)$", re.MULTILINE)
FENCED_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_in(markdown: str) -> list[str]:
    """The commands in the fenced `sh` blocks, in order, with continued lines joined and comments left out."""
    lines = [line for block in FENCED_BLOCK.findall(markdown) for line in block.replace("\\\n", " ").splitlines()]
    bare = [" ".join(re.sub(r"(^|\s)#.*", "", line).split()) for line in lines]
    return [command for command in bare if command]


def runs(runner: str, command: str) -> bool:
    """Whether `runner` exists: a test of that name in that file, or a script that contains the command."""
    path, _, test = runner.partition("::")
    file = ROOT / path
    if not file.is_file():
        return False
    text = file.read_text("utf-8")
    if not test:
        return command in text.splitlines()
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return any(node.name == test for node in functions)


def test_commands_are_found_with_continued_lines_joined_and_comments_left_out() -> None:
    markdown = "Text\n```sh\n# first\nmake demo  # then look\n\ncurl -N \\\n  localhost/x#y\n```\n```json\n{}\n```\n"
    assert commands_in(markdown) == ["make demo", "curl -N localhost/x#y"]


def test_every_command_in_the_readme_has_a_test_that_runs_it() -> None:
    commands = commands_in((ROOT / "README.md").read_text("utf-8"))
    assert commands, "README.md has no ```sh block"
    assert [command for command in commands if command not in COMMANDS] == []


def test_no_command_is_listed_that_the_readme_lost() -> None:
    commands = commands_in((ROOT / "README.md").read_text("utf-8"))
    assert set(COMMANDS) <= set(commands)


def test_the_tests_that_run_the_commands_are_there() -> None:
    assert {command: runner for command, runner in COMMANDS.items() if not runs(runner, command)} == {}


def test_every_snippet_in_the_readme_has_a_test_that_runs_it() -> None:
    languages = [language for language in FENCE.findall((ROOT / "README.md").read_text("utf-8")) if language != "sh"]
    assert languages == [language for language, _ in SNIPPETS]
    assert [runner for _, runner in SNIPPETS if not runs(runner, "")] == []
