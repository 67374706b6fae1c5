"""uv's command line and configuration are read as uv reads them."""

from pathlib import Path

import pytest

from pratique.managers import match, patterns
from pratique.managers.pip.arguments import Wanted
from pratique.managers.uv.arguments import parse
from pratique.managers.uv.config import Config, configured, working
from pratique.managers.uv.keys import canonical_url, index_key
from pratique.managers.uv.manager import Uv

INSTALLS = [
    "uv pip install rich",
    "/opt/bin/uv pip sync requirements.txt",
    "uv --no-cache sync",
    "uv --directory sub sync",
    "uv --project=sub lock",
    "uv add rich",
    "uv run pytest",
    "uv tool install ruff",
    "uv tool uvx ruff",
    "uv build",
    "uv venv --seed",
]
OTHERS = [
    "uv",
    "uv --version",
    "uv help sync",
    "uv self update",
    "uv cache clean",
    "uvicorn run app",
    "echo uv sync",
]


@pytest.mark.parametrize("line", INSTALLS)
def test_what_installs_is_recognised(line: str) -> None:
    """Each command of uv that may build or start package code is the manager."""
    found = match(line.split(), patterns())

    assert found is not None
    assert found.manager == "uv"


@pytest.mark.parametrize("line", OTHERS)
def test_other_commands_are_left_alone(line: str) -> None:
    """Neither uv's own house-keeping nor what only sounds like it."""
    assert match(line.split(), patterns()) is None


@pytest.mark.parametrize(
    ("line", "verb", "words"),
    [
        ("pip install -q --index-url X rich ./a", "pip install", ("rich", "./a")),
        ("-n pip install --no-binary docopt docopt", "pip install", ("docopt",)),
        ("sync --no-binary --frozen", "sync", ()),
        ("add -m 'x' rich", "add", ("rich",)),
        ("run -m pytest -q", "run", ("pytest", "-q")),
        ("run --with rich -p 3.11 python -c 1 -m", "run", ("python", "-c", "1", "-m")),
        ("run -- ls -l", "run", ("ls", "-l")),
        ("tool uvx --from ruff@0.9 ruff check", "tool uvx", ("ruff", "check")),
        ("tool install -e ./x", "tool install", ("./x",)),
        ("venv -c --seed", "venv", ()),
    ],
)
def test_words_are_split_as_uv_splits_them(line: str, verb: str, words: tuple[str, ...]) -> None:
    """Options that take a value after one verb and none after another, and commands that follow."""
    found = parse(line.split())

    assert (found.verb, found.words) == (verb, words)


def test_options_have_one_spelling() -> None:
    """Short, long and joined forms give the same."""
    found = parse(["pip", "install", "-rone.txt", "--requirements=two.txt", "-e", "./x", "-f", "links", "-n"])

    assert found.all("--requirement") == ("one.txt", "two.txt")
    assert found.all("--editable") == ("./x",)
    assert found.all("--find-links") == ("links",)
    assert found.has("--no-cache")


def test_the_command_is_told_without_secrets() -> None:
    """The report shows what was typed: uvx as uvx, no user info, blanks quoted."""
    assert Uv().describe(("/x/uv", "tool", "uvx", "ruff", "a b")) == "uvx ruff 'a b'"
    assert (
        Uv()
        .describe(("uv", "pip", "install", "-i", "https://me:pw@x.test/s"))
        .endswith("-i https://x.test/s")
    )


def test_requested_names_come_from_everywhere(tmp_path: Path) -> None:
    """Command line, requirements files, tools, and the project for commands that work in it."""
    (tmp_path / "more.txt").write_text("Flask==2\n-r deep.txt\n")
    (tmp_path / "deep.txt").write_text("rich\n")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "me"\ndependencies = ["Requests>2"]\n[dependency-groups]\ndev = ["pytest"]\n'
    )

    def asked(line: str) -> tuple[str, ...]:
        return Uv().requested(tuple(line.split()), str(tmp_path))

    assert asked("uv pip install idna -r more.txt") == ("flask", "idna", "rich")
    assert asked("uv pip sync more.txt") == ("flask", "rich")
    assert asked("uv sync") == ("pytest", "requests")
    assert asked("uv add Click") == ("click", "pytest", "requests")
    assert asked("uv tool uvx ruff@0.9 check") == ("ruff",)
    assert asked("uv tool uvx --from black blackd x") == ("black",)
    assert asked("uv run --no-project --with rich,idna python") == ("idna", "rich")


def test_the_key_of_an_index_is_uv_s() -> None:
    """As uv 0.13 named these directories of its cache."""
    assert index_key("http://127.0.0.1:18431/simple/") == "08c9b6bdbec532c1"
    assert index_key("HTTP://ann:secret@127.0.0.1:18431/simple") == "08c9b6bdbec532c1"
    assert index_key("file:///tmp/uvx/links") == "3271c4f8d21c110d"


def test_urls_have_one_form() -> None:
    """User info, default ports and a trailing slash make no other index."""
    assert canonical_url("https://a:b@X.test:443/s/") == "https://x.test/s"
    assert canonical_url("https://x.test/") == "https://x.test/"
    assert canonical_url("http://[2001:DB8::1]:8080/s") == "http://[2001:db8::1]:8080/s"


def _config(line: str, cwd: Path, **environment: str) -> Config:
    held = {"HOME": str(cwd / "home"), **environment}
    arguments = parse(line.split())
    return configured(arguments, Wanted(), held, working(arguments, held, str(cwd)), lambda path: True, 0)


def test_indexes_come_from_every_layer(tmp_path: Path) -> None:
    """Command line, environment, project, user and workspace files; flat ones are find-links places."""
    (tmp_path / "home/.config/uv").mkdir(parents=True)
    (tmp_path / "home/.config/uv/uv.toml").write_text('extra-index-url = ["https://user.test/s"]\n')
    (tmp_path / "pyproject.toml").write_text(
        '[[tool.uv.index]]\nname = "x"\nurl = "https://project.test/s"\n'
        '[[tool.uv.index]]\nurl = "flat"\nformat = "flat"\n[tool.uv.pip]\nindex-url = "https://pip.test/s"\n'
    )
    (tmp_path / "sub").mkdir()

    found = _config(
        "--directory sub pip install -i https://argv.test/s -f ../links x",
        tmp_path,
        UV_INDEX="n=https://env.test/s",
    )

    hosts = ("argv", "env", "project", "pip", "user")
    assert set(found.indexes) == {f"https://{host}.test/s" for host in hosts}
    assert f"file://{tmp_path}/flat" in found.links
    assert found.refuses(index_key("https://env.test/s")) is None
    assert found.refuses(index_key("https://evil.test/s")) is not None
    assert f"file://{tmp_path}/links" in found.links
    assert found.refuses(index_key(f"file://{tmp_path}/flat")) == "from a find-links place"


def test_without_configuration_files_none_is_read(tmp_path: Path) -> None:
    """`--no-config` and `--config-file` mean what they say."""
    (tmp_path / "uv.toml").write_text('index-url = "https://project.test/s"\n')
    (tmp_path / "own.toml").write_text('index-url = "https://own.test/s"\n')

    assert _config("--no-config sync", tmp_path).indexes == ()
    assert _config("--config-file own.toml sync", tmp_path).indexes == ("https://own.test/s",)
    assert _config("sync", tmp_path, UV_NO_CONFIG="1").indexes == ()


def test_the_cache_is_where_uv_keeps_it(tmp_path: Path) -> None:
    """Command line, variable, file, XDG, home; without a cache, the temporary folder."""
    assert _config("sync", tmp_path).cache == f"{tmp_path}/home/.cache/uv"
    assert _config("sync", tmp_path, XDG_CACHE_HOME="/x").cache == "/x/uv"
    assert _config("sync", tmp_path, UV_CACHE_DIR="/y").cache == "/y"
    assert _config("--cache-dir z sync", tmp_path, UV_CACHE_DIR="/y").cache == f"{tmp_path}/z"
    assert _config("sync", tmp_path).temporary is None
    assert _config("sync -n", tmp_path, TMPDIR="/var/tmp").temporary == "/var/tmp"
    assert _config("sync", tmp_path, UV_NO_CACHE="true", TMPDIR="/var/tmp").temporary == "/var/tmp"
