"""Recognition is positional: what runs pip is found in every form, what only speaks of it never is."""

import subprocess
import sys

import pytest
from packageurl import PackageURL

from pratique import managers
from pratique.managers import match, patterns, registry

INSTALLS = [
    "python /v/bin/pip install rich",
    "/v/bin/python /v/bin/pip install rich",
    "/usr/bin/python3 /usr/bin/pip3 install rich",
    "/usr/bin/python3.11 /usr/bin/pip3.11 install rich",
    "python3.11 /usr/bin/pip-3.11 install rich",
    "python -m pip install rich",
    "python3 -m pip install -r requirements.txt",
    "python3.11 -I -m pip install rich",
    "python3.11 -Im pip install rich",
    "python -mpip install rich",
    "python -Impip install rich",
    "python -E -s -m pip install rich",
    "python -W ignore -m pip install rich",
    "python -Wignore -m pip install rich",
    "python -X dev -m pip install rich",
    "python -Xdev -m pip install rich",
    "python -IW ignore -m pip install rich",
    "python --check-hash-based-pycs never -m pip install rich",
    "python -u /opt/tools/pip install rich",
    "python /opt/tools/pip.pyz install rich",
    "python pip.pyz install rich",
    "python /w/pip-26.3-py3-none-any.whl/pip install rich",
    "pypy -m pip install rich",
    "pypy3.10 -m pip install rich",
    "python -m pip.__main__ install rich",
    "python -m pip download rich",
    "python -m pip wheel .",
    "python -m pip lock -o pylock.toml rich",
    "python -m pip -v install rich",
    "python -m pip -qqq --no-color install rich",
    "python -m pip --proxy http://10.0.0.1:3128 install rich",
    "python -m pip --proxy=http://10.0.0.1:3128 install rich",
    "python -m pip --log /tmp/x.log --retries 3 install rich",
    "python -m pip --python /v install rich",
    "python -m pip --cache-dir install install rich",
    "python -m pip --isolated --require-virtualenv install rich",
    "python -m pip install",
]
OTHERS = [
    "",
    "pip install rich",
    "pip",
    "python",
    "python -",
    "python -m",
    "python -m pip",
    "python -m pip list",
    "python -m pip config install",
    "python -m pip uninstall rich",
    "python -m pip show install",
    "python -m pip --version",
    "python -m pip help install",
    "python -m pip --log install list",
    "python -m pip --python /v list",
    "python -m pip - install",
    "python /v/bin/pip list",
    "python /v/bin/pipenv install rich",
    "python /v/bin/pip-compile install",
    "python -m pipenv install rich",
    "python -m ensurepip install",
    "python -m venv pip install",
    "python -c pip install rich",
    "python -Ic pip install rich",
    "python -c import\\x20pip -m pip install rich",
    "python -W pip install rich",
    "python setup.py pip install",
    "python -m build -m pip install",
    "python script.py -m pip install",
    "python /tmp/x/__pip-runner__.py install rich",
    "echo pip install rich",
    "echo python -m pip install rich",
    "grep -m pip install",
    "sh -c pip\\x20install\\x20rich",
    "bash /root/.pyenv/shims/pip install rich",
    "bash /root/.pyenv/libexec/pyenv exec pip install rich",
    "/usr/bin/env python -m pip install rich",
    "env pip install rich",
    "sudo pip install rich",
    "node pip install rich",
    "pythonista -m pip install rich",
    "ipython -m pip install rich",
]


FAMILIES = {
    "pnpm": [
        "pnpm add x", "/v/node_modules/.bin/pnpm i", "pnpm -C sub install", "pnpm --filter a add x", "pnpx x",
        "pnpm dlx x",
        "node /v/pnpm/bin/pnpm.cjs install", "node /v/bin/pnpx.cjs x", "pn add x",
    ],
    "yarn": [
        "node /v/bin/yarn", "node /v/bin/yarn.js install", "node yarn --frozen-lockfile", "node yarn --cwd sub",
        "node .yarn/releases/yarn-4.18.1.cjs", "nodejs /v/bin/yarn add x", "node yarn global add x",
        "node yarn dlx x",
        "node yarn workspace a add x", "node --no-warnings yarn add x", "node /v/corepack/dist/yarn.js add x",
    ],
    "bun": ["bun install", "bun add x", "/v/.bin/bun i", "bunx x", "bun x tool", "bun --cwd sub add x"],
    "poetry": ["python /v/bin/poetry add x", "python -m poetry install", "python3.11 /v/bin/poetry -C sub sync"],
    "pdm": ["python /v/bin/pdm add x", "python -m pdm sync", "python /v/bin/pdm -c f install"],
    "pipx": ["python /v/bin/pipx install rich", "python -m pipx install rich", "python /v/bin/pipx run x"],
    "corepack": ["node /v/bin/corepack yarn add x", "node corepack use pnpm@12", "node corepack.js prepare"],
}  # fmt: skip
OWN = [
    "pnpm run build", "pnpm test", "pnpm exec x", "pnpm", "pnpm build", "pnpm --dir add build",
    "node pnpm.cjs run add",
    "node yarn run build", "node yarn build", "node yarn test add", "node yarn exec add", "node yarn --cwd add build",
    "bun run add", "bun test", "bun add.ts", "bun", "bun build install", "bun --cwd add run x",
    "python /v/bin/poetry run x", "python -m poetry shell", "python /v/bin/pdm run add", "python /v/bin/pipx list",
    "node corepack enable", "node -e yarn", "node yarnish add x", "echo yarn", "yarn add x", "python -c pipx install",
]  # fmt: skip


def _argv(line: str) -> list[str]:
    return [word.replace("\\x20", " ") for word in line.split()]


@pytest.mark.parametrize("line", INSTALLS)
def test_an_install_is_recognised(line: str) -> None:
    """Every way in which people and tools start an install is the manager."""
    found = match(_argv(line), patterns())

    assert found is not None
    assert found.manager == "pip"


@pytest.mark.parametrize("line", OTHERS)
def test_other_commands_are_left_alone(line: str) -> None:
    """Neither other verbs of pip nor commands that contain its words become a manager."""
    assert match(_argv(line), patterns()) is None


@pytest.mark.parametrize(
    ("family", "line"), [(name, line) for name, lines in FAMILIES.items() for line in lines]
)
def test_each_other_manager_is_recognised(family: str, line: str) -> None:
    """By any of its names, natively or by an interpreter, with options before the verb or with none."""
    found = match(_argv(line), patterns())

    assert found is not None
    assert found.manager == family


@pytest.mark.parametrize("line", OWN)
def test_what_runs_the_user_s_own_is_none(line: str) -> None:
    """Scripts, tests and files of the user's are started by managers, too: they stay the command."""
    assert match(_argv(line), patterns()) is None


def test_code_that_speaks_of_pip_is_no_install() -> None:
    """A program given with -c is never looked into."""
    assert match(["python", "-c", "import os; os.system('x') #/pip", "install"], patterns()) is None


def test_each_family_names_itself_in_its_patterns() -> None:
    """The name a pattern carries is the one the registry knows, so a match finds its module."""
    for name, manager in registry().items():
        assert {pattern.manager for pattern in manager.patterns()} == {name}


def test_managers_say_which_packages_they_come_in() -> None:
    """An upgraded manager is not watched as a fresh package: each family names its own, without a version."""
    own = managers.own()

    assert own >= {"pkg:pypi/pip", "pkg:npm/npm", "pkg:pypi/uv"}
    assert all(PackageURL.from_string(purl).version is None for purl in own)


def test_only_what_a_command_names_is_warmed() -> None:
    """Eight families take 0.1 s to import; the others wait until one of theirs is met."""
    code = (
        "import sys; from pratique import managers; managers.warm(['/v/bin/pip3.11', 'install', 'rich']);"
        "print(*(name for name in managers._FAMILIES if f'pratique.managers.{name}.manager' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.split() == ["pip"]
