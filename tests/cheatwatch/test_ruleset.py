"""Rule sets: the example is the built-in one, rules can be anybody's, and every mistake is one line that says where."""

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
    """All options are in the file; those that have no default are commented out there, and can be switched on."""
    text = EXAMPLE.read_text("utf-8")
    for name, rule in load_rule_set().rules.items():
        table = re.search(rf"^\[rules\.{name}\]\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
        assert table is not None
        for field in set(rule.__struct_fields__) - {"points"}:
            assert re.search(rf"^{field} = ", table[1], re.MULTILINE), f"{name}.{field}"
    everything = tmp_path / "all.toml"
    everything.write_text(re.sub(r"^#(\w+ = )", r"\1", text, flags=re.MULTILINE))
    kafka = load_rule_set(everything).kafka
    assert all(getattr(kafka, field) is not None for field in kafka.__struct_fields__)


def test_rules_in_a_file_are_all_there_are(file: Path) -> None:
    file.write_text(RATE + "rate_max = 3\n[policy]\nmutes_max = 2\n")
    rule_set = load_rule_set(file)
    assert [(name, rule.rate_max) for name, rule in rule_set.rules.items()] == [("fast", 3)]  # type: ignore[attr-defined]
    assert rule_set.policy.mutes_max == 2


def test_a_rule_of_ones_own_is_a_class_and_a_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    ("text", "says"),
    [
        ("[", "the rule set rules.toml is not valid TOML"),
        ("[rule.rate]", "unknown option 'rule' in rules.toml; did you mean 'rules'?"),
        ("[rules]", "option 'rules' in rules.toml: must have at least one table, as [rules.NAME]"),
        ("rules = 3", "option 'rules' in rules.toml: must have at least one table"),
        ("[rules.fast]\nrate_max = 3", "option 'rules.fast.class' in rules.toml: is missing"),
        ('[rules.fast]\nclass = "Rate"', "'Rate' is no class: write package.module:Class"),
        ('[rules.fast]\nclass = "no_such_module:Rate"', "no_such_module cannot be imported"),
        (
            '[rules.fast]\nclass = ".rate:Rate"',
            ".rate cannot be imported: TypeError: the 'package' argument is required",
        ),
        (
            RATE.replace(":Rate", ":Rat"),
            "there is no rule Rat in touchline_cheatwatch.rules.rate; did you mean 'Rate'?",
        ),
        (RATE.replace(":Rate", ":RateState"), "there is no rule RateState"),
        (RATE.replace("rate:Rate", "base:Rule"), "Rule must have a method judge and a class State"),
        (
            RATE + "rate_mx = 3",
            "unknown option 'rules.fast.rate_mx' in rules.toml; did you mean 'rules.fast.rate_max'?",
        ),
        (RATE + 'rate_max = "3"', "option 'rules.fast.rate_max' in rules.toml: must be float, got str"),
        (RATE + "rate_max = 0", "option 'rules.fast.rate_max' in rules.toml: must be float > 0"),
        (RATE + 'verdict = "kick"', "option 'rules.fast.verdict' in rules.toml: must be warn, mute or ban, not 'kick'"),
        (RATE + "verdict = 3", "option 'rules.fast.verdict' in rules.toml: must be warn, mute or ban, not 3"),
        ("[kafka]\nsasl_mechanism = 'GSSAPI'", "must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, not 'GSSAPI'"),
        (RATE + 'kinds = "tap"', "option 'rules.fast.kinds' in rules.toml: must be array, got str"),
        (RATE + f'reason = "{"x" * 501}"', "option 'rules.fast.reason' in rules.toml: must be str of length <= 500"),
        ("[policy]\nmute_factor = 0", "option 'policy.mute_factor' in rules.toml: must be float >= 1"),
        ("policy = 1", "option 'policy' in rules.toml: must be a table"),
        ("[limits]\nplayers = 1", "unknown option 'limits.players' in rules.toml; did you mean 'limits.players_max'?"),
        ("[kafka]\nsasl_mechanism = 'PLAIN'", "option 'kafka' in rules.toml: sasl_mechanism needs sasl_username"),
        ("[kafka]\ncert_file = 'x'", "option 'kafka' in rules.toml: cert_file and key_file belong together"),
        ("[feeds.Match]\ntopic = 'x'", "'Match' cannot name a feed"),
        ("[feeds.match]\ntopics = 'x'", "unknown option 'feeds.match.topics' in rules.toml; did you mean"),
    ],
)
def test_a_mistake_is_one_line_that_says_where(file: Path, text: str, says: str) -> None:
    file.write_text(text)
    with pytest.raises(OperatorError) as error:
        load_rule_set(file)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


BROKEN_RULE = """
from touchline_cheatwatch.rules.base import Rule
class Own(Rule[list], frozen=True, kw_only=True):
    {}
    def judge(self, action, state, room):
        return None
"""


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("x = 1\nclass Own(:", "cannot be imported: SyntaxError: invalid syntax (FILE, line 2)"),
        ("x = 1\n\ny = nothing", "cannot be imported: NameError: name 'nothing' is not defined (FILE, line 3)"),
        (
            "class Own(3): pass",
            "cannot be imported: TypeError: int() takes at most 2 arguments (3 given) (FILE, line 1)",
        ),
        ("raise KeyError('two\\nlines\\n')", "cannot be imported: KeyError: 'two\\nlines\\n' (FILE, line 1)"),
        ("raise ValueError('two\\nlines')", "cannot be imported: ValueError: two lines (FILE, line 1)"),
        ("from json import no", "cannot be imported: ImportError: cannot import name 'no' from 'json'"),
        (
            "import no_such_module",
            "cannot be imported: ModuleNotFoundError: No module named 'no_such_module' (FILE, line 1)",
        ),
        ("Own = 3", "there is no rule Own in broken_rule"),
        (BROKEN_RULE.format("State = 3"), "Own must have a method judge and a class State"),
        (BROKEN_RULE.format("loud: 'Nothing' = 3\n    State = list"), "NameError: name 'Nothing' is not defined"),
        (
            BROKEN_RULE.format("State = list\n    loud: int = 3\n    def __post_init__(self): self.no"),
            "broken_rule:Own cannot be made: AttributeError: 'Own' object has no attribute 'no' (FILE, line 6)",
        ),
    ],
)
def test_a_rule_that_does_not_work_is_one_line_that_says_where(
    file: Path, code: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = Path.cwd() / "broken_rule.py"
    module.write_text(code)
    monkeypatch.setattr(sys, "path", [*sys.path, str(module.parent)])
    monkeypatch.delitem(sys.modules, "broken_rule", raising=False)
    importlib.invalidate_caches()
    file.write_text('[rules.own]\nclass = "broken_rule:Own"\nloud = 5\n')
    with pytest.raises(OperatorError) as error:
        load_rule_set(file)
    assert says.replace("FILE", str(module)) in str(error.value)
    assert str(error.value).startswith("option 'rules.own")
    assert "\n" not in str(error.value)


def test_parameters_that_do_not_go_together_are_a_mistake(file: Path) -> None:
    reaction = RATE.replace("rate:Rate", "reaction:Reaction")
    for line, says in (
        ("fast_min = 60", "it is more than reactions"),
        ("clock_s = 0.15", "clock_s must be less than"),
    ):
        file.write_text(reaction + line)
        with pytest.raises(OperatorError, match=says):
            load_rule_set(file)


def test_a_file_that_is_not_there_is_a_mistake(file: Path) -> None:
    with pytest.raises(OperatorError, match=r"the rule set rules\.toml cannot be read: No such file"):
        load_rule_set(file)
