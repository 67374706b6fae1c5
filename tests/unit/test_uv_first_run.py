"""What uv starts besides builds: the user's command, a package's, interpreters asked about themselves, git."""

import base64
import hashlib
import os
from pathlib import Path

import pytest

from lab.demands import demand
from pratique.managers.base import Context, Stopped
from pratique.managers.uv.manager import Uv
from pratique.model import Settlement
from pratique.words import Actor, Quality, Stage

NOWHERE = "/nonexistent"
PYTHON = os.path.realpath("/usr/bin/python3")


class Shore:
    """A user's directory with an environment, and a uv that starts things from it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.environment = self.make_environment(".venv")
        self.written: set[str] = set()
        self.memory: dict[str, object] = {}

    def make_environment(self, name: str) -> Path:
        """An empty virtual environment."""
        place = self.top / name
        (place / "bin").mkdir(parents=True)
        (place / "lib/python3.11/site-packages").mkdir(parents=True)
        (place / "pyvenv.cfg").write_text("home = /usr/bin\n")
        return place

    @property
    def site(self) -> Path:
        """Where its packages lie."""
        return self.environment / "lib/python3.11/site-packages"

    def install(self, name: str, version: str, *files: str, installer: str = "uv", direct: str = "") -> Path:
        """What an installer leaves: files (given from the environment's root) and a RECORD that lists them."""
        info = self.site / f"{name}-{version}.dist-info"
        info.mkdir()
        rows = []
        for file in files:
            path = self.environment / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"#!{self.environment}/bin/python\n# of {name}\n")
            digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode().rstrip("=")
            rows.append(f"{os.path.relpath(path, self.site)},sha256={digest},{path.stat().st_size}")
        (info / "INSTALLER").write_text(installer)
        if direct:
            (info / "direct_url.json").write_text(direct)
        (info / "RECORD").write_text("\n".join([*rows, f"{info.name}/RECORD,,", ""]))
        return info

    def script(self, name: str) -> tuple[str, ...]:
        """How a console script of the environment is started."""
        return (f"{self.environment}/bin/python", f"{self.environment}/bin/{name}")

    def judge(self, line: str, *argv: str, exe: str = PYTHON, deeper: int = 1, cwd: str = "") -> Settlement:
        """What uv, started as `line`, has just executed."""
        manager = Stopped(os.getpid(), tuple(line.split()), str(self.top), "/opt/uv", {"HOME": str(self.top)})
        environment = {"UV_RUN_RECURSION_DEPTH": str(deeper)} if deeper else {}
        child = Stopped(77, argv, cwd or str(self.top), exe, environment)
        return Uv().classify(child, Context(manager, manager, lambda path: path in self.written, self.memory))


@pytest.fixture
def shore(tmp_path: Path) -> Shore:
    """A project's directory."""
    return Shore(Path(os.path.realpath(tmp_path)))


@pytest.mark.parametrize(
    ("argv", "exe"),
    [
        (("/x/.venv/bin/python", "-c", "print(1)"), PYTHON),
        (("/x/.venv/bin/python", "app.py"), PYTHON),
        (("ls", "-l"), "/usr/bin/ls"),
        (("/x/.venv/bin/python",), PYTHON),
    ],
)
def test_the_user_s_command_is_the_project_s(shore: Shore, argv: tuple[str, ...], exe: str) -> None:
    """First-party code at its first run."""
    settled = shore.judge("uv run whatever", *argv, exe=exe)

    assert (settled.actor, settled.stage, settled.new_origin) == (Actor.PROJECT, Stage.FIRST_RUN, True)


def test_without_uv_s_mark_nothing_is_the_user_s(shore: Shore) -> None:
    """Only what uv itself marks as the end of `uv run` is; and only one deeper than uv was started."""
    for deeper in (0, 2):
        assert shore.judge("uv run ls", "ls", exe="/usr/bin/ls", deeper=deeper).actor is Actor.PACKAGE
    assert shore.judge("uv sync", "ls", exe="/usr/bin/ls").actor is Actor.PACKAGE


@pytest.mark.parametrize("line", ["uv run tool", "uv tool uvx tool", "uv tool run tool"])
def test_a_console_script_is_its_package_s(shore: Shore, line: str) -> None:
    """RECORD, written by uv, names the owner."""
    shore.install("Some_Tool", "2.0", "bin/tool")
    settled = shore.judge(line, *shore.script("tool"))

    assert (settled.actor, settled.stage) == (Actor.PACKAGE, Stage.FIRST_RUN)
    assert settled.identity.purl == "pkg:pypi/some-tool@2.0"
    assert settled.identity.quality is Quality.VERIFIED


def test_a_script_that_begins_with_a_shell_is_its_package_s(shore: Shore) -> None:
    """Tools' environments have scripts that find themselves with /bin/sh."""
    shore.install("tool", "2.0", "bin/tool")
    settled = shore.judge("uv tool uvx tool", "/bin/sh", f"{shore.environment}/bin/tool", exe="/usr/bin/dash")

    assert settled.identity.purl == "pkg:pypi/tool@2.0"


def test_a_native_program_is_its_package_s(shore: Shore) -> None:
    """The image itself lies in the environment."""
    shore.install("ruff", "1.0", "bin/ruff")
    settled = shore.judge("uv run ruff", "ruff", "check", exe=f"{shore.environment}/bin/ruff")

    assert settled.identity.purl == "pkg:pypi/ruff@1.0"


def test_a_module_is_its_package_s_unless_the_user_has_it(shore: Shore) -> None:
    """`python -m pytest` runs what the environment holds, or what the working directory does."""
    shore.install("pytest", "9.0", "lib/python3.11/site-packages/pytest/__main__.py")
    words = (f"{shore.environment}/bin/python", "-m", "pytest")

    assert shore.judge("uv run -m pytest", *words).identity.purl == "pkg:pypi/pytest@9.0"
    (shore.top / "pytest.py").write_text("")
    assert shore.judge("uv run -m pytest", *words).actor is Actor.PROJECT


def test_a_command_of_the_project_itself_is_the_project_s(shore: Shore) -> None:
    """An editable install of a directory the user works in."""
    (shore.top / "pyproject.toml").write_text('[project]\nname = "mine"\n')
    shore.install(
        "mine", "0", "bin/mine", direct=f'{{"url": "file://{shore.top}", "dir_info": {{"editable": true}}}}'
    )

    assert shore.judge("uv run mine", *shore.script("mine")).actor is Actor.PROJECT


def test_a_directory_nobody_named_is_claimed(shore: Shore) -> None:
    """direct_url.json alone makes nothing first-party."""
    shore.install("mine", "0", "bin/mine", direct=f'{{"url": "file://{NOWHERE}", "dir_info": {{}}}}')
    settled = shore.judge("uv run mine", *shore.script("mine"))

    assert (settled.actor, settled.identity.quality) == (Actor.PACKAGE, Quality.CLAIMED)


def test_two_owners_are_candidates(shore: Shore) -> None:
    """Nothing is guessed."""
    shore.install("one", "1", "bin/tool")
    shore.install("two", "2", "bin/tool")
    settled = shore.judge("uv run tool", *shore.script("tool"))

    assert settled.identity.purl is None
    assert set(settled.identity.candidates) == {"pkg:pypi/one@1", "pkg:pypi/two@2"}


def test_a_record_that_another_package_brought_is_no_proof(shore: Shore) -> None:
    """A wheel may carry a whole .dist-info of somebody else's name."""
    shore.install("boto3", "9", "bin/tool")
    shore.install("evil", "1", "lib/python3.11/site-packages/evil.py")
    record = shore.site / "evil-1.dist-info/RECORD"
    record.write_text(record.read_text() + "boto3-9.dist-info/RECORD,,\n")

    assert shore.judge("uv run tool", *shore.script("tool")).identity.quality is Quality.CLAIMED


@pytest.mark.parametrize("doubt", ["changed", "record", "script", "installer", "lock"])
def test_what_contradicts_makes_it_claimed(shore: Shore, doubt: str) -> None:
    """Another content, package code's hand in it, another installer, another source in the lock."""
    info = shore.install("tool", "2.0", "bin/tool", installer="pip" if doubt == "installer" else "uv")
    if doubt == "changed":
        (shore.environment / "bin/tool").write_text("other")
    if doubt == "record":
        shore.written.add(f"{info}/RECORD")
    if doubt == "script":
        shore.written.add(f"{shore.environment}/bin/tool")
    if doubt == "lock":
        (shore.top / "pyproject.toml").write_text("")
        locked = '[[package]]\nname = "tool"\nversion = "2.0"\nsource = { git = "https://git.test/x" }\n'
        (shore.top / "uv.lock").write_text(locked)
    settled = shore.judge("uv run tool", *shore.script("tool"))

    assert settled.actor is Actor.PACKAGE
    assert settled.identity.quality is not Quality.VERIFIED


def test_a_script_no_package_lists_is_package_code(shore: Shore) -> None:
    """Something put into the environment's bin is not the user's by lying there."""
    (shore.environment / "bin/tool").write_text("")
    settled = shore.judge("uv run tool", *shore.script("tool"))

    assert (settled.actor, settled.identity.purl) == (Actor.PACKAGE, None)


def test_a_copy_in_an_overlay_has_the_owner_of_the_original(shore: Shore) -> None:
    """`uv run --with` copies scripts into an environment laid over others."""
    shore.install("tool", "2.0", "bin/tool")
    overlay = shore.make_environment("overlay")
    (overlay / "bin/tool").write_text("copy")
    note = f'import site; site.addsitedir(__import__("os").fsdecode(b"{shore.site}"))'
    (overlay / "lib/python3.11/site-packages/_uv_ephemeral_overlay.pth").write_text(note)
    settled = shore.judge("uv run --with tool tool", f"{overlay}/bin/python", f"{overlay}/bin/tool")

    assert (settled.identity.purl, settled.identity.quality) == ("pkg:pypi/tool@2.0", Quality.VERIFIED)


def test_a_script_from_a_url_is_package_code(shore: Shore) -> None:
    """The user named the place, nobody vouches for the code."""
    line = "uv run https://me:pw@x.test/s.py"
    settled = shore.judge(line, f"{shore.environment}/bin/python", "/tmp/s.py")

    assert (settled.actor, settled.identity.source) == (Actor.PACKAGE, "https://x.test/s.py")


def test_a_manager_that_the_user_names_is_a_manager(shore: Shore) -> None:
    """`uv run pip install` is pip, if it is pip's own script; a script of another package is not."""
    shore.install("pip", "26", "bin/pip", installer="pip")
    words = (*shore.script("pip"), "install", "rich")
    assert shore.judge("uv run pip install rich", *words).actor is Actor.MANAGER

    shore.written.add(f"{shore.environment}/bin/pip")
    assert shore.judge("uv run pip install rich", *words).actor is Actor.PACKAGE


def test_a_script_that_only_bears_a_manager_s_name_is_its_package_s(shore: Shore) -> None:
    """Any wheel may bring a `pip`."""
    shore.install("evil", "1", "bin/pip")
    settled = shore.judge("uv run pip install rich", *shore.script("pip"), "install", "rich")

    assert (settled.actor, settled.identity.purl) == (Actor.PACKAGE, "pkg:pypi/evil@1")


def _probe(shore: Shore, place: str | None = None) -> tuple[str, ...]:
    folder = shore.top / (place or ".cache/uv/.tmpAbc012")
    (folder / "python").mkdir(parents=True, exist_ok=True)
    (folder / "python/get_interpreter_info.py").write_text("")
    code = (
        f'import sys; sys.path = [__import__("os").fsdecode(b"{folder}")] + sys.path; '
        "from python.get_interpreter_info import main; main()"
    )
    return (f"{shore.environment}/bin/python", "-I", "-B", "-c", code)


def test_an_interpreter_asked_about_itself_is_a_helper(shore: Shore) -> None:
    """Uv's own script, in a directory of its own, in an environment where no .pth file runs anything new."""
    (shore.site / "paths.pth").write_text("/some/where\n# import nothing\n")
    (shore.site / "_virtualenv.pth").write_text("import _virtualenv\n")

    assert shore.judge("uv sync", *_probe(shore), deeper=0).actor is Actor.HELPER


def test_compiling_is_a_helper_s_work(shore: Shore) -> None:
    """`--compile-bytecode` imports nothing of what it compiles."""
    script = str(Path(_probe(shore)[4].split('b"')[1].split('"')[0], "pip_compileall.py"))

    assert shore.judge("uv sync", f"{shore.environment}/bin/python", script, deeper=0).actor is Actor.HELPER


def test_a_pth_file_makes_it_the_first_run_of_its_package(shore: Shore) -> None:
    """`-I` does not keep an interpreter from running these lines."""
    shore.install("evil", "1", "lib/python3.11/site-packages/evil.pth")
    (shore.site / "evil.pth").write_text("import evil\n")
    settled = shore.judge("uv sync", *_probe(shore), deeper=0)

    assert (settled.actor, settled.stage) == (Actor.PACKAGE, Stage.FIRST_RUN)
    assert settled.identity.purl == "pkg:pypi/evil@1"


@pytest.mark.parametrize("name", ["sitecustomize.py", "usercustomize.py", "loose.pth"])
def test_what_no_package_lists_is_of_nobody(shore: Shore, name: str) -> None:
    """Something runs at every start and nobody says whose it is."""
    (shore.site / name).write_text("import x\n")
    settled = shore.judge("uv sync", *_probe(shore), deeper=0)

    assert (settled.actor, settled.identity.purl) == (Actor.PACKAGE, None)


def test_an_administrator_s_file_beside_an_interpreter_is_no_package_s(shore: Shore) -> None:
    """Distributions bring such files; a package's own, which RECORD lists, counts there as everywhere."""
    base = shore.top / ".pyenv/versions/3.11"
    (base / "bin").mkdir(parents=True)
    (base / "bin/python3.11").write_text("")
    shore.environment = base
    shore.site.mkdir(parents=True)
    (shore.site / "loose.pth").write_text("import x\n")
    words = (f"{base}/bin/python3.11", *_probe(shore)[1:])

    def actor() -> Actor:
        return shore.judge("uv sync", *words, exe=f"{base}/bin/python3.11", deeper=0).actor

    assert actor() is (Actor.HELPER if os.getuid() == 0 else Actor.PACKAGE)
    shore.install("evil", "1", "lib/python3.11/site-packages/loose.pth")
    (shore.site / "loose.pth").write_text("import x\n")
    assert actor() is Actor.PACKAGE


def test_a_known_line_counts_only_with_a_known_module(shore: Shore) -> None:
    """The line is setuptools' own, the module it loads is package code's of this run."""
    (shore.site / "_virtualenv.pth").write_text("import _virtualenv\n")
    shore.written.add(f"{shore.site}/_virtualenv.py")

    assert shore.judge("uv sync", *_probe(shore), deeper=0).actor is Actor.PACKAGE


@pytest.mark.parametrize("trick", ["elsewhere", "written", "image", "more", "unisolated"])
def test_what_only_looks_like_a_question_is_package_code(shore: Shore, trick: str) -> None:
    """Another directory, a script package code wrote, another image, further words, no isolation."""
    words = _probe(shore, "elsewhere/.tmpAbc012" if trick == "elsewhere" else None)
    exe = f"{shore.top}/python3" if trick == "image" else PYTHON
    if trick == "written":
        shore.written.add(f"{shore.top}/.cache/uv/.tmpAbc012/python/get_interpreter_info.py")
    if trick == "more":
        words = (*words, "more")
    if trick == "unisolated":
        words = (words[0], *words[3:])

    assert shore.judge("uv sync", *words, exe=exe, deeper=0).actor is Actor.PACKAGE


def _loader() -> str:
    found = next((str(path) for path in Path("/lib64").glob("ld-linux*")), None)
    demand(None if found else "there is no loader in /lib64")
    return os.path.realpath(found)


@pytest.mark.parametrize(("words", "actor"), [((), 3), (("--version",), 3), (("/tmp/x",), 5)])
def test_the_loader_is_a_helper_with_nothing_to_load(
    shore: Shore, words: tuple[str, ...], actor: int
) -> None:
    """Uv asks it for the C library's version; with a file, it would run that file."""
    assert shore.judge("uv sync", "/lib64/ld.so", *words, exe=_loader(), deeper=0).actor == Actor(actor)


def test_git_is_a_helper_in_uv_s_own_repositories(shore: Shore) -> None:
    """Where nothing of a package has run or written."""
    demand(None if Path("/usr/bin/git").exists() else "there is no git")
    place = str(shore.top / ".cache/uv/git-v2/db/0123456789abcdef")
    words = ("/usr/bin/git", "fetch", "--force", "x")

    def actor(cwd: str) -> Actor:
        exe = os.path.realpath("/usr/bin/git")
        return shore.judge("uv sync", *words, exe=exe, deeper=0, cwd=cwd).actor

    assert actor(place) is Actor.HELPER
    assert actor(str(shore.top / "elsewhere/git-v2/db/0123456789abcdef")) is Actor.PACKAGE
    shore.written.add(f"{place}/.git/config")
    assert actor(place) is Actor.PACKAGE
