"""npm is recognised by its words in their places: every install, and nothing that only speaks of one."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.demands import demand
from pratique.backends.hooks.tokens import LIMIT, tokens
from pratique.managers import match, patterns
from pratique.managers.node.arguments import name_of, place_in
from pratique.managers.npm.arguments import parse
from pratique.managers.npm.facts import facts
from pratique.managers.npm.manager import Npm

INSTALLS = [
    "node /usr/bin/npm install left-pad",
    "/usr/bin/node /usr/lib/node_modules/npm/bin/npm-cli.js ci",
    "nodejs /usr/bin/npm i",
    "node --max-old-space-size=4096 /usr/bin/npm add x",
    "node -r /tmp/hook.js /usr/bin/npm install",
    "node --import ./x.mjs /usr/bin/npm install",
    "node /usr/bin/npm -g install x",
    "node /usr/bin/npm --prefix /v install",
    "node /usr/bin/npm -C /v ci",
    "node /usr/bin/npm --registry http://127.0.0.1:1/ --no-audit install",
    "node /usr/bin/npm --prefix=/v --loglevel verbose rebuild",
    "node /usr/bin/npm isntall x",
    "node /usr/bin/npm clean-install",
    "node /usr/bin/npm install-test",
    "node /usr/bin/npm installTest",
    "node /usr/bin/npm update",
    "node /usr/bin/npm exec tool",
    "node /usr/bin/npm x -- tool",
    "node /usr/bin/npm init vite",
    "node /usr/bin/npx tool",
    "node /usr/bin/npx -y -p tool -c tool",
    "node /usr/lib/node_modules/npm/bin/npx-cli.js tool",
]
OTHERS = [
    "npm install",
    "/usr/bin/env node /usr/bin/npm install",
    "node",
    "node /usr/bin/npm",
    "node /usr/bin/npm run install",
    "node /usr/bin/npm run build",
    "node /usr/bin/npm test",
    "node /usr/bin/npm start",
    "node /usr/bin/npm config set x install",
    "node /usr/bin/npm --prefix install list",
    "node /usr/bin/npm view install",
    "node /usr/bin/npm help install",
    "node -e npm install",
    "node -p x /usr/bin/npm install",
    "node /usr/lib/npm-check install",
    "node script.js npm install",
    "node /usr/bin/lerna install",
    "sh -c npm\\x20install",
    "echo npm install",
    "python npm install",
]


@pytest.mark.parametrize("line", INSTALLS)
def test_an_install_is_recognised(line: str) -> None:
    """Every spelling that npm takes for an install or a fetch-and-run."""
    found = match(line.split(), patterns())

    assert found is not None
    assert found.manager == "npm"


@pytest.mark.parametrize("line", OTHERS)
def test_other_commands_are_left_alone(line: str) -> None:
    """`npm run` and `npm test` are the user's own scripts; the rest only mentions npm."""
    assert match([word.replace("\\x20", " ") for word in line.split()], patterns()) is None


def test_the_patterns_fit_into_the_kernel() -> None:
    """Bits and token table have room left for the other families."""
    assert len(patterns()) < LIMIT
    assert len(tokens(patterns())) < 2048


def test_the_verbs_are_npm_s_own() -> None:
    """No alias of an installing verb that the npm of this host knows is missing from the data."""
    npm = shutil.which("npm")
    node = shutil.which("node")
    demand(None if npm and node else "there is no npm")
    listed = Path(npm).resolve().parents[1] / "lib" / "utils" / "cmd-list.js"
    words = [node, "-p", f"JSON.stringify(require({str(listed)!r}).aliases)"]
    said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=20).stdout
    aliases: dict[str, str] = json.loads(said)

    known = set(facts().npm.verbs)
    assert {alias for alias, verb in aliases.items() if verb in known} <= known


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("node /usr/bin/npm install left-padder", "npm install left-padder"),
        ("node /usr/bin/npx -y tool a", "npx -y tool a"),
        ("node /usr/bin/npm i git+https://ann:pw@code.test/x", "npm i git+https://code.test/x"),
        ("node /usr/bin/npm i --//r.test/:_authToken=abc x", "npm i --//r.test/:_authToken=… x"),
    ],
)
def test_it_is_described_in_the_user_s_words(line: str, said: str) -> None:
    """Without the interpreter, and without secrets."""
    assert Npm().describe(tuple(line.split())) == said


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("node /usr/bin/npm install -D a @s/b@^1 c@npm:d ./e git+https://code.test/f", ("@s/b", "a", "c")),
        ("node /usr/bin/npm --prefix /v install -g a", ("a",)),
        ("node /usr/bin/npx --yes tool@2 other", ("tool",)),
        ("node /usr/bin/npx -p a -p b -c words", ("a", "b")),
        ("node /usr/bin/npm exec -- tool x", ("tool",)),
    ],
)
def test_what_was_requested(line: str, names: tuple[str, ...]) -> None:
    """Names under which things will be installed; a program's own words are none."""
    assert Npm().requested(tuple(line.split()), "/nowhere") == names


def test_without_names_the_project_s_are_requested(tmp_path: Path) -> None:
    """`npm ci` asks for what package.json lists."""
    (tmp_path / "package.json").write_text('{"dependencies": {"a": "1"}, "devDependencies": {"@s/b": "2"}}')

    assert Npm().requested(("node", "/usr/bin/npm", "ci"), str(tmp_path)) == ("@s/b", "a")


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("a", "a"),
        ("a@1", "a"),
        ("@s/a@latest", "@s/a"),
        ("x@npm:a@1", "x"),
        ("x@file:./a.tgz", "x"),
        ("./a", None),
        ("https://code.test/a.tgz", None),
    ],
)
def test_names_in_specs(spec: str, name: str | None) -> None:
    """A spec's own name, or none."""
    assert name_of(spec) == name


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("./a", "./a"),
        ("x@file:../b", "../b"),
        ("file:///c/d", "/c/d"),
        ("link:../e", "../e"),
        ("a@1.0.0", None),
        ("@s/a", None),
    ],
)
def test_paths_in_specs(spec: str, path: str | None) -> None:
    """A spec's path, or none."""
    assert place_in(spec) == path


def test_the_words_of_a_program_are_its_own() -> None:
    """Options after the program of npx do not belong to npm."""
    found = parse(("node", "/usr/bin/npx", "--yes", "tool", "--package", "evil"))

    assert found.verb == "exec"
    assert found.words == ("tool", "--package", "evil")
    assert found.all("--package") == ()
