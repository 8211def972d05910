"""Rule sets: the example is the built-in one, rules can be anybody's, and every error is one line that says where."""

import importlib
import re
import sys
from pathlib import Path

import pytest

from touchline_cheatwatch.ruleset import DEFAULT_RULES, load_rule_set
from touchline_protocol.errors import OperatorError

EXAMPLE = Path(__file__).parents[2] / "deploy" / "cheatwatch.toml"
RATE = '[rules.fast]\nclass = "touchline_cheatwatch.rules.rate:Rate"\n'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("rules.toml")


def test_the_example_is_the_built_in_rule_set() -> None:
    assert load_rule_set(EXAMPLE) == load_rule_set()
    assert load_rule_set().rules.keys() == DEFAULT_RULES.keys()


def test_the_example_names_every_option(tmp_path: Path) -> None:
    """All options are in the file. Those without a default are commented out, and can be enabled."""
    text = EXAMPLE.read_text("utf-8")
    for name, rule in load_rule_set().rules.items():
        table = re.search(rf"^\[rules\.{name}\]\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
        assert table is not None
        for field in set(rule.__struct_fields__) - {"points"}:
            assert re.search(rf"^{field} = ", table[1], re.MULTILINE), f"{name}.{field}"
    everything = tmp_path / "all.toml"
    everything.write_text(re.sub(r"^#(\w+ = )", r"\1", text, flags=re.MULTILINE))
    kafka = load_rule_set(everything).kafka
    assert all(getattr(kafka, field) is not None for field in vars(kafka))


def test_a_file_with_rules_replaces_the_built_in_ones(file: Path) -> None:
    file.write_text(RATE + "rate_max = 3\n[policy]\nmutes_max = 2\n")
    rule_set = load_rule_set(file)
    assert [(name, rule.rate_max) for name, rule in rule_set.rules.items()] == [("fast", 3)]  # type: ignore[attr-defined]
    assert rule_set.policy.mutes_max == 2


def test_a_custom_rule_is_a_class_and_a_table(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("my_own_rules.py").write_text(
        "from touchline_cheatwatch.rules.base import Rule\n"
        "from touchline_cheatwatch.types import Finding\n"
        "class Shout(Rule[list], frozen=True, kw_only=True):\n"
        "    loud: int = 3\n"
        "    State = list\n"
        "    def judge(self, action, state, room):\n"
        "        return Finding({'loud': self.loud})\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path.cwd())])
    file.write_text('[rules.shout]\nclass = "my_own_rules:Shout"\nloud = 5\n')
    (rule,) = load_rule_set(file).rules.values()
    finding = rule.judge(None, [], None)  # type: ignore[arg-type]
    assert finding is not None
    assert finding.evidence == {"loud": 5}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[", []),
        ("[rule.rate]", ["'rule'", "'rules'"]),
        ("[rules]", ["'rules'", "[rules.NAME]"]),
        ("rules = 3", ["'rules'"]),
        ("[rules.fast]\nrate_max = 3", ["'rules.fast.class'", "package.module:Class"]),
        ('[rules.fast]\nclass = "Rate"', ["'rules.fast.class'", "'Rate'", "package.module:Class"]),
        (
            '[rules.fast]\nclass = "no_such_module:Rate"',
            ["'rules.fast.class'", "no_such_module", "ModuleNotFoundError"],
        ),
        ('[rules.fast]\nclass = ".rate:Rate"', ["'rules.fast.class'", ".rate", "TypeError"]),
        (RATE.replace(":Rate", ":Rat"), ["'rules.fast.class'", "Rat", "touchline_cheatwatch.rules.rate", "'Rate'"]),
        (RATE.replace(":Rate", ":RateState"), ["'rules.fast.class'", "RateState"]),
        (RATE.replace("rate:Rate", "base:Rule"), ["'rules.fast.class'", "Rule", "judge", "State"]),
        (RATE + "rate_mx = 3", ["'rules.fast.rate_mx'", "'rules.fast.rate_max'"]),
        (RATE + 'rate_max = "3"', ["'rules.fast.rate_max'", "float", "str"]),
        (RATE + "rate_max = 0", ["'rules.fast.rate_max'", "> 0"]),
        (RATE + 'verdict = "kick"', ["'rules.fast.verdict'", "warn", "mute", "ban", "'kick'"]),
        (RATE + "verdict = 3", ["'rules.fast.verdict'", "warn", "mute", "ban", "3"]),
        (RATE + 'kinds = "tap"', ["'rules.fast.kinds'", "array", "str"]),
        (RATE + f'reason = "{"x" * 501}"', ["'rules.fast.reason'", "<= 500"]),
        ("[policy]\nmute_factor = 0", ["'policy.mute_factor'", ">= 1"]),
        ("policy = 1", ["'policy'", "table"]),
        ("[limits]\nplayers = 1", ["'limits.players'", "'limits.players_max'"]),
        ("[kafka]\nsasl_mechanism = 'GSSAPI'", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "'GSSAPI'"]),
        ("[kafka]\nsasl_mechanism = 'PLAIN'", ["'kafka'", "sasl_mechanism", "sasl_username"]),
        ("[kafka]\nkey_file = 'x'", ["'kafka'", "cert_file", "key_file"]),
        ("[feeds.Match]\ntopic = 'x'", ["'feeds.Match'", "'Match'"]),
        ("[feeds.match]\ntopics = 'x'", ["'feeds.match.topics'", "'feeds.match.topic'"]),
    ],
)
def test_an_error_in_the_file_is_one_line_that_names_the_option_and_the_file(
    file: Path, text: str, named: list[str]
) -> None:
    file.write_text(text)
    with pytest.raises(OperatorError) as error:
        load_rule_set(file)
    assert [name for name in ["rules.toml", *named] if name not in str(error.value)] == []
    assert "\n" not in str(error.value)


BROKEN_RULE = """
from touchline_cheatwatch.rules.base import Rule
class Own(Rule[list], frozen=True, kw_only=True):
    {}
    def judge(self, action, state, room):
        return None
"""


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("x = 1\nclass Own(:", ["SyntaxError: invalid syntax (FILE, line 2)"]),
        ("x = 1\n\ny = nothing", ["NameError: name 'nothing' is not defined (FILE, line 3)"]),
        ("class Own(3): pass", ["TypeError: int() takes at most 2 arguments (3 given) (FILE, line 1)"]),
        ("raise KeyError('two\\nlines\\n')", ["KeyError: 'two\\nlines\\n' (FILE, line 1)"]),
        ("raise ValueError('two\\nlines')", ["ValueError: two lines (FILE, line 1)"]),
        ("from json import no", ["ImportError: cannot import name 'no' from 'json'"]),
        ("import no_such_module", ["ModuleNotFoundError: No module named 'no_such_module' (FILE, line 1)"]),
        ("Own = 3", ["Own", "broken_rule"]),
        (BROKEN_RULE.format("State = 3"), ["Own", "judge", "State"]),
        (BROKEN_RULE.format("loud: 'Nothing' = 3\n    State = list"), ["NameError: name 'Nothing' is not defined"]),
        (
            BROKEN_RULE.format("State = list\n    loud: int = 3\n    def __post_init__(self): self.no"),
            ["broken_rule:Own", "AttributeError: 'Own' object has no attribute 'no' (FILE, line 6)"],
        ),
    ],
)
def test_a_rule_that_does_not_work_is_one_line_that_says_where(
    file: Path, code: str, named: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = Path.cwd() / "broken_rule.py"
    module.write_text(code)
    monkeypatch.setattr(sys, "path", [*sys.path, str(module.parent)])
    monkeypatch.delitem(sys.modules, "broken_rule", raising=False)
    importlib.invalidate_caches()
    file.write_text('[rules.own]\nclass = "broken_rule:Own"\nloud = 5\n')
    with pytest.raises(OperatorError) as error:
        load_rule_set(file)
    message = str(error.value)
    assert [name for name in named if name.replace("FILE", str(module)) not in message] == []
    assert message.startswith("option 'rules.own")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("line", "named"), [("fast_min = 60", ["fast_min", "reactions"]), ("clock_s = 0.15", ["clock_s", "human_s_min"])]
)
def test_parameters_that_contradict_each_other_are_an_error(file: Path, line: str, named: list[str]) -> None:
    file.write_text(RATE.replace("rate:Rate", "reaction:Reaction") + line)
    with pytest.raises(OperatorError) as error:
        load_rule_set(file)
    assert [name for name in named if name not in str(error.value)] == []


def test_a_file_that_does_not_exist_is_an_error(file: Path) -> None:
    with pytest.raises(OperatorError, match=r"rules\.toml"):
        load_rule_set(file)
