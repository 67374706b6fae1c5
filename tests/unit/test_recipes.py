"""The recipes are whole: files that parse, in the shape their tools want, with commands that we understand."""

import configparser
import re
import shlex
import subprocess

import pytest
import yaml

from pratique import cli
from pratique.policy.compile import compile_policy
from pratique.policy.model import Policy
from pratique.policy.sources import Text, shipped_texts
from recipe_book import BOOK, NEED_THE_SERVICE, PAGE, pipeline, scripts, shown, workflow

_GUARDS = re.compile(r"\bpratique(?:\)\")? run (?:.*? )?-- (.+)")


@pytest.mark.parametrize("name", scripts())
def test_shell_parses(name: str) -> None:
    """Every line is one that a plain shell reads."""
    done = subprocess.run(
        ["sh", "-n"], input=scripts()[name], capture_output=True, text=True, timeout=10, check=False
    )
    assert done.stderr == ""


def test_guarded_commands_are_understood() -> None:
    """What follows `pratique` is what our command line takes, and something follows the two dashes."""
    commands = [line for script in scripts().values() for line in script.splitlines() if " run " in line]
    guarded = [line for line in commands if _GUARDS.search(line)]

    assert len(guarded) >= 10
    for line in guarded:
        words = shlex.split(line[line.index("run ") :])
        assert cli.parse(words).sub_command == "run"


def test_commands_of_the_page_are_understood() -> None:
    """A reader can type them."""
    for line in shown():
        program, *words = shlex.split(line)
        if program == "pratique":
            assert cli.parse(words).sub_command == words[0]
        else:
            assert program in ("make", ".venv/bin/guarded-python")


def test_github_workflow() -> None:
    """The keys GitHub wants; each step either uses an action or runs something; the report is kept either way."""
    job = workflow()

    assert set(job) == {"runs-on", "steps"}
    assert all(("uses" in step) != ("run" in step) for step in job["steps"])
    assert {step["name"] for step in job["steps"] if "name" in step} >= set(NEED_THE_SERVICE)
    (keeps,) = [step for step in job["steps"] if "upload" in step.get("uses", "")]
    assert keeps["if"] == "always()"


def test_github_workflow_triggers_and_rights() -> None:
    """`on` is a word that YAML may take for true; and the token may only read."""
    loaded = yaml.safe_load((BOOK / "github-actions.yml").read_text())

    assert loaded[True] == ["push", "pull_request"]
    assert loaded["permissions"] == {"contents": "read"}


def test_gitlab_pipeline() -> None:
    """A list of lines, and a report that is kept when the job fails."""
    job = pipeline()

    assert all(isinstance(line, str) for line in job["script"])
    assert job["artifacts"] == {"when": "always", "paths": ["pratique.json"]}


@pytest.mark.parametrize("name", ["github", "gitlab", "docker"])
def test_ci_is_strict_and_names_its_policy(name: str) -> None:
    """A build server trusts no policy that it merely found."""
    script = scripts()[name]
    assert "--profile strict --policy " in script


def test_policy_is_one() -> None:
    """The shipped example is accepted as it stands, and its commented stanza too."""
    text = (BOOK / "policy.toml").read_text()
    commented = (line.removeprefix("#").lstrip() for line in text.splitlines(keepends=True))
    stanza = "".join(line for line in commented if "=" in line or line.startswith("[["))

    assert _compiled(text).profile == "strict"
    assert [allow.package for allow in _compiled(stanza).allows if "some-package" in str(allow.package)]


def _compiled(text: str) -> Policy:
    return compile_policy([*shipped_texts(), Text("policy.toml", "argument", True, text.encode())])


def test_tox_and_pre_commit_shapes() -> None:
    """Their own files are as their tools want them."""
    tox = configparser.ConfigParser()
    tox.read(BOOK / "tox.ini")
    hooks = yaml.safe_load((BOOK / "pre-commit-config.yaml").read_text())

    assert set(tox.sections()) == {"tox", "testenv"}
    assert [hook["language"] for repo in hooks["repos"] for hook in repo["hooks"]] == ["python"]


def test_every_recipe_is_on_the_page() -> None:
    """A file nobody points at is a file nobody keeps true."""
    names = {path.name for path in BOOK.iterdir() if path.is_file()}
    page = PAGE.read_text()

    assert [name for name in sorted(names) if f"../recipes/{name}" not in page] == []
