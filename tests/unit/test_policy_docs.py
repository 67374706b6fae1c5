"""docs/policy.md and docs/rules.md say what the code does."""

import re
from pathlib import Path

from pratique.policy import mechanisms
from pratique.policy.compile import compile_policy
from pratique.policy.documents import RuleShape, SequenceShape, read_shape
from pratique.policy.load import load_yaml
from pratique.policy.sources import Text, shipped_texts
from pratique.words import Act

DOCS = Path(__file__).parents[2] / "docs"


def block(name: str, language: str, number: int = 0) -> str:
    """A fenced block of a page."""
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)
    return found[number]


def test_the_policy_file_shown_is_one() -> None:
    """The example of section 3 compiles once its elided digest is written out."""
    text = block("policy.md", "toml").replace("sha512-…", "sha512-abc=")
    policy = compile_policy([*shipped_texts(), Text("/p.toml", "user", True, text.encode())])

    assert policy.env_strip == ("*_TOKEN",)
    assert policy.blocks[0].package == "pkg:npm/evil@>=1.2,<1.4"
    assert policy.rule("policy.deny-1").explain == "why"


def test_the_rule_shown_is_one() -> None:
    """The examples of the guide have the shape of rules."""
    assert read_shape(RuleShape, load_yaml("r.yaml", block("rules.md", "yaml").encode())).id == "ring.use"
    document = load_yaml("r.yaml", block("rules.md", "yaml", 1).encode())
    assert SequenceShape.model_validate(document.data["sequence"]).count == 40


def test_the_rules_named_exist() -> None:
    """Every rule of the defaults' table is shipped, and every stable rule is in the table."""
    text = (DOCS / "policy.md").read_text()
    rules = {rule.id for rule in compile_policy(shipped_texts(), "standard").rules}
    whole = {
        name
        for name in re.findall(r"`([a-z]+\.[a-z-]+)`", text)
        if name.split(".")[0] in {rule.split(".")[0] for rule in rules}
    }
    families = ("dns.", "exec.")

    assert whole - rules - {Act(act).word for act in Act} <= {"files.other-package", "self.policy"}
    assert not {rule for rule in rules if rule not in text and not rule.startswith(families)}


def test_the_acts_shown_are_the_acts() -> None:
    """What the guide says can be ruled on is what the compiler accepts."""
    text = (DOCS / "rules.md").read_text()
    ruled = {act.word for act in Act if mechanisms.kinds(act)}

    assert not {word for word in ruled if f"`{word}`" not in text and f"`.{word.split('.')[-1]}`" not in text}
    assert {act.word for act in Act} - ruled == {"net.listen"}
