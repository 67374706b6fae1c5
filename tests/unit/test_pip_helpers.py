"""Helpers are a closed table: an image of the system, words pip uses, nobody else's variables or files."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from lab.demands import demand
from pratique.managers.base import Context, Stopped
from pratique.managers.pip.manager import Pip
from pratique.words import Actor

PYTHON = "/opt/python/bin/python3.11"


def _stopped(*argv: str, exe: str, cwd: str = "/", pid: int = 7, **environment: str) -> Stopped:
    return Stopped(pid, argv, cwd, exe, environment)


MANAGER = _stopped("python", "-m", "pip", "install", "x", exe=PYTHON)._replace(pid=os.getpid())


def _judge(child: Stopped, parent: Stopped = MANAGER, written: Iterable[str] = ()) -> Actor:
    return Pip().classify(child, Context(MANAGER, parent, lambda path: path in written, {})).actor


def _real(program: str) -> str:
    found = next((f"{top}/{program}" for top in ("/usr/bin", "/bin") if Path(top, program).exists()), None)
    demand(None if found else f"there is no {program}")
    return os.path.realpath(found)


def test_what_pip_runs_for_its_user_agent_is_a_helper() -> None:
    """Uname -rs runs before every download."""
    assert _judge(_stopped("uname", "-rs", exe=_real("uname"))) is Actor.HELPER


@pytest.mark.parametrize("words", [["-a"], ["-rs", "x"], [], ["--version"]])
def test_other_words_are_no_helper(words: list[str]) -> None:
    """Only the exact words pip uses."""
    assert _judge(_stopped("uname", *words, exe=_real("uname"))) is Actor.PACKAGE


def test_the_name_in_argv_counts_for_nothing() -> None:
    """The image really mapped decides, not what the caller calls it."""
    assert _judge(_stopped("uname", "-rs", exe=_real("cat"))) is Actor.PACKAGE


def test_a_program_beside_the_packages_is_no_helper(tmp_path: Path) -> None:
    """A wheel may bring a `uname` of its own into the environment's bin."""
    (tmp_path / "uname").write_bytes(Path(_real("uname")).read_bytes())

    assert _judge(_stopped("uname", "-rs", exe=str(tmp_path / "uname"))) is Actor.PACKAGE
    assert _judge(_stopped("uname", "-rs", exe="/usr/local/bin/uname")) is Actor.PACKAGE


def test_an_image_that_package_code_wrote_is_no_helper() -> None:
    """Even in the system's directories."""
    exe = _real("uname")

    assert _judge(_stopped("uname", "-rs", exe=exe), written=[exe]) is Actor.PACKAGE


def test_a_lifecycle_variable_makes_it_package() -> None:
    """A build hook's variable that the manager did not have shows where the process comes from."""
    child = _stopped("uname", "-rs", exe=_real("uname"), _PYPROJECT_HOOKS_BUILD_BACKEND="x")

    assert _judge(child) is Actor.PACKAGE


@pytest.mark.parametrize(
    "cwd", ["/tmp/pip-install-abcdefgh/x_" + "0" * 32, "/tmp/pip-req-build-abcdefgh", "/v/src/x"]
)
def test_in_a_package_directory_nothing_is_a_helper(cwd: str) -> None:
    """Git would read the settings that lie there."""
    assert _judge(_stopped("git", "fetch", "-q", exe=_real("git"), cwd=cwd)) is Actor.PACKAGE


def test_git_is_a_helper_in_the_clone_it_has_just_made(tmp_path: Path) -> None:
    """Pip checks out and asks for the revision in the new clone, before any of its code runs."""
    target = tmp_path / "pip-req-build-abcdefgh"
    memory: dict[str, object] = {}
    clone = _stopped("git", "clone", "-q", "https://code.test/x", str(target), exe=_real("git"))
    later = _stopped("git", "checkout", "-q", "abc", exe=_real("git"), cwd=str(target))
    context = Context(MANAGER, MANAGER, lambda _: False, memory)

    assert Pip().classify(later, context).actor is Actor.PACKAGE
    assert Pip().classify(clone, context).actor is Actor.HELPER
    assert Pip().classify(later, context).actor is Actor.HELPER
    written = Context(MANAGER, MANAGER, lambda path: path == f"{target}/.git/config", memory)
    assert Pip().classify(later, written).actor is Actor.PACKAGE


def test_git_is_no_helper_where_code_has_run(tmp_path: Path) -> None:
    """Once a build hook ran in the clone, its settings are the package's."""
    target = tmp_path / "pip-req-build-abcdefgh"
    hook = "/v/pip/_vendor/pyproject_hooks/_in_process/_in_process.py"
    context = Context(MANAGER, MANAGER, lambda _: False, {})
    clone = _stopped("git", "clone", "-q", "https://code.test/x", str(target), exe=_real("git"))
    assert Pip().classify(clone, context).actor is Actor.HELPER
    build = _stopped("python", hook, "build_wheel", "/tmp/x", exe=PYTHON, cwd=str(target))
    assert Pip().classify(build, context).actor is Actor.PACKAGE

    later = _stopped("git", "rev-parse", "HEAD", exe=_real("git"), cwd=str(target))

    assert Pip().classify(later, context).actor is Actor.PACKAGE


def test_a_directory_that_was_there_is_no_new_clone(tmp_path: Path) -> None:
    """A checkout kept from an earlier run may have been changed by the code in it."""
    (tmp_path / ".git").mkdir()
    memory: dict[str, object] = {}
    clone = _stopped("git", "clone", "-q", "https://code.test/x", str(tmp_path), exe=_real("git"))
    later = _stopped("git", "fetch", exe=_real("git"), cwd=str(tmp_path))
    context = Context(MANAGER, MANAGER, lambda _: False, memory)
    Pip().classify(clone, context)

    assert Pip().classify(later, context).actor is Actor.PACKAGE


GIT = _stopped("git", "clone", "-q", "ssh://code.test/x", "/t", exe="/usr/bin/git", pid=8)


@pytest.mark.parametrize(
    ("argv", "program", "actor"),
    [
        (["ssh", "code.test", "git-upload-pack 'x'"], "ssh", Actor.HELPER),
        (["sh", "-c", "git-upload-pack '/r'", "git-upload-pack '/r'"], "sh", Actor.HELPER),
        (["sh", "-c", "git-upload-pack '/r'; id", "x"], "sh", Actor.PACKAGE),
        (["sh", "-c", "git credential-store --file=$(id) get"], "sh", Actor.PACKAGE),
        (["sh", "-c", "git credential-store get", "git credential-store get"], "sh", Actor.HELPER),
        (["sh", ".git/hooks/post-checkout", "0", "1", "1"], "sh", Actor.PACKAGE),
        (["sh", "-c", "nc proxy.test 22"], "sh", Actor.PACKAGE),
        (["uname", "-rs"], "uname", Actor.PACKAGE),
    ],
)
def test_children_of_git(argv: list[str], program: str, actor: Actor) -> None:
    """Its own sub-programs and ssh; hooks, ProxyCommand and whatever settings name are package code."""
    _real("git")

    assert _judge(_stopped(*argv, exe=_real(program)), parent=GIT) is actor


def test_children_of_ssh_are_package() -> None:
    """ProxyCommand runs under ssh."""
    ssh = _stopped("ssh", "code.test", "x", exe=_real("ssh"), pid=9)

    assert _judge(_stopped("git", "version", exe=_real("git")), parent=ssh) is Actor.PACKAGE


def test_keyring_of_the_user_and_of_the_environment(tmp_path: Path) -> None:
    """A keyring in the user's own tools is the user's; one installed beside the packages is not."""
    for place in (".local/bin", "venv/bin"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "keyring").touch(mode=0o755)
    manager = MANAGER._replace(environment={"HOME": str(tmp_path)})

    def judge(place: str) -> Actor:
        words = ("--mode=creds", "--output=json", "get", "https://index.test")
        child = _stopped("python", str(tmp_path / place / "keyring"), *words, exe=PYTHON)
        return Pip().classify(child, Context(manager, manager, lambda _: False, {})).actor

    assert judge(".local/bin") is Actor.HELPER
    assert judge("venv/bin") is Actor.PACKAGE
