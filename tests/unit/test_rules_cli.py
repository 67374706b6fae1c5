"""`pratique rules` and `pratique policy` as people use them."""

import argparse
import shutil
from pathlib import Path

import pytest

from pratique import host, resources
from pratique.cli import policy, rules
from pratique.errors import ConfigError


def run(*words: str) -> int:
    """The status of `pratique WORDS…`."""
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers(dest="command")
    rules.add_parser(subparsers)
    policy.add_parser(subparsers)
    args = parser.parse_args(words)
    return {"rules": rules, "policy": policy}[args.command].run(args)


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person in a git project, with a home and state of their own."""
    (tmp_path / "project/.git").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(host, "state_dir", lambda: tmp_path / "state")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


def test_list_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """A table that works in a pipe: one line per rule, no colours."""
    assert run("rules", "list") == 0
    lines = capsys.readouterr().out.splitlines()

    assert lines[0].split() == ["RULE", "SEVERITY", "KIND", "TITLE"]
    assert len(lines) == len(list(resources.rules().glob("*.yaml"))) + 1
    assert all(len(line) <= 80 and "\033" not in line for line in lines)


def test_check_and_test_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """The shipped rules are without mistake."""
    assert (run("rules", "check"), run("rules", "test")) == (0, 0)
    assert "no mistake found" in capsys.readouterr().out


def test_every_rule_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """What it does, how each backend enforces it, and what could be wrong."""
    for path in resources.rules().glob("*.yaml"):
        assert run("rules", "explain", path.stem) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"{path.stem}: ")
        assert "False positives:" in text
        named = all(backend in text for backend in ("hooks", "lsm", "rootless"))
        assert named or "never a refusal" in text


def test_check_finds_every_mistake_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One broken file does not hide the next."""
    shutil.copytree(resources.rules(), tmp_path / "rules")
    for name in ("ring.use", "code.fresh"):
        path = tmp_path / "rules" / f"{name}.yaml"
        path.write_text(path.read_text().replace("severity", "severety"))

    assert run("rules", "check", "--rules", str(tmp_path / "rules")) == 65
    errors = capsys.readouterr().err.splitlines()
    assert errors == [
        f'pratique: rules/{name}.yaml:5: unknown key "severety"; did you mean "severity"?'
        for name in ("code.fresh", "ring.use")
    ]


def test_unknown_rules_are_named() -> None:
    """With what there is instead."""
    with pytest.raises(ConfigError, match=r'no rule "taint"; there are taint.egress'):
        run("rules", "explain", "taint")


def test_trust_and_check(person: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An untrusted file only narrows; trusting it lets its allows in, until it changes."""
    file = person / "project/pratique.toml"
    file.write_text('[[allow]]\npackage = "pkg:npm/x"\nreason = "r"\n')

    assert run("policy", "check") == 0
    before = capsys.readouterr()
    assert run("policy", "trust") == 0
    assert run("policy", "check") == 0
    after = capsys.readouterr()

    assert "not trusted" in before.out + before.err
    assert "allow     pkg:npm/x" not in before.out
    assert f"allow     pkg:npm/x   {file}:1" in after.out


def test_a_wrong_file_is_not_trusted(person: Path) -> None:
    """Its mistake is shown when it is trusted, not at the next run."""
    (person / "project/pratique.toml").write_text("[[alow]]\n")

    with pytest.raises(ConfigError, match=r'pratique.toml:1: unknown key "alow"; did you mean "allow"\?'):
        run("policy", "trust")


def test_reload_says_that_there_is_no_daemon(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is pretended."""
    assert run("policy", "reload") == 1
    assert "not running" in capsys.readouterr().err
