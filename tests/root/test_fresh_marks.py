"""Marks on fresh code, with a real interpreter: who imports it is seen, however often, and whoever compiled it."""

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.demands import demand
from pratique.backends.base import FreshTree
from pratique.backends.hooks.fresh import Fresh
from pratique.backends.hooks.records import Label
from pratique.words import Actor, Stage

pytestmark = [pytest.mark.root, pytest.mark.timeout(60, method="thread")]

_MODULE, _PACKAGE, _NEXT = "pkg:pypi/lone@1", "pkg:pypi/many@1", "pkg:pypi/next@2"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A module and a package, neither compiled, as uv installs them."""
    (tmp_path / "lone.py").write_text("VALUE = 1\n")
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "__init__.py").write_text("from many import inner\n")
    (tmp_path / "many" / "inner.py").write_text("VALUE = 2\n")
    return tmp_path


@pytest.fixture
def fresh(guard: None, site: Path) -> Iterator[Fresh]:
    """Both are watched, by a gate that labels nobody."""
    gate = Fresh(lambda _pid: None, lambda *_: 1, lambda _pid: True, lambda: None)
    gate.follow([
        FreshTree(_MODULE, (), (str(site / "lone.py"),)),
        FreshTree(_PACKAGE, (str(site / "many"),), ()),
    ])  # fmt: skip
    gate.start()
    yield gate
    gate.stop()


@pytest.fixture
def seen(fresh: Fresh, site: Path) -> Callable[[str], set[str]]:
    """The packages whose first run an interpreter began by some code."""

    def run(code: str) -> set[str]:
        environment = {**os.environ, "PYTHONPATH": str(site)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run([sys.executable, "-S", "-c", code], env=environment, check=True, timeout=20)
        return {purl for opened in fresh.opened() for purl in opened.purls}

    return run


def test_a_second_import_is_seen_at_once(seen: Callable[[str], set[str]], site: Path) -> None:
    """It opens only what the first one compiled: nobody was told in between, and nothing was marked again."""
    for _ in range(2):
        assert seen("import lone") == {_MODULE}
        assert seen("import many") == {_PACKAGE}
    assert list((site / "__pycache__").glob("lone.*.pyc"))
    assert list((site / "many" / "__pycache__").glob("inner.*.pyc"))


def test_compiled_anew_it_is_still_seen(seen: Callable[[str], set[str]], site: Path) -> None:
    """The folder of what was compiled has gone, and another one came."""
    seen("import lone, many")
    for folder in (site / "__pycache__", site / "many" / "__pycache__"):
        shutil.rmtree(folder)
    seen("import lone, many")

    assert seen("import lone, many") == {_MODULE, _PACKAGE}


def test_listing_begins_nothing(seen: Callable[[str], set[str]]) -> None:
    """A program that looks for packages runs none."""
    assert seen("import os; list(os.walk(os.environ['PYTHONPATH']))") == set()


def test_what_is_fresh_no_more_is_let_go(seen: Callable[[str], set[str]], fresh: Fresh, site: Path) -> None:
    """Compiled or not."""
    seen("import lone, many")
    fresh.unfollow(_MODULE)
    fresh.unfollow(_PACKAGE)

    assert seen("import lone, many") == set()
    (site / "lone.py").write_text("VALUE = 22\n")
    assert seen("import lone") == set()


def test_a_number_that_is_given_again_names_nobody(
    seen: Callable[[str], set[str]], fresh: Fresh, site: Path
) -> None:
    """A module is removed and another package's gets its inode number, as file systems do it at once."""
    number = (site / "lone.py").stat().st_ino
    (site / "lone.py").unlink()
    given = [site / f"next{each}.py" for each in range(200)]
    for path in given:
        path.write_text("VALUE = 3\n")
    fresh.follow([FreshTree(_NEXT, (), tuple(map(str, given)))])
    again = next((path for path in given if path.stat().st_ino == number), None)
    demand(None if again else "the file system gives no number again")

    assert again is not None
    assert seen(f"import {again.stem}") == {_NEXT}


def test_what_lies_in_its_place_now_is_alone(
    seen: Callable[[str], set[str]], fresh: Fresh, site: Path
) -> None:
    """An upgrade: the version that was there names nobody any more, and its neighbours stay."""
    newer = FreshTree(_NEXT, (str(site / "many"),), ())
    fresh.follow([newer])
    (old,) = fresh.marks.beside(newer)
    assert seen("import many") == {_PACKAGE, _NEXT}
    fresh.marks.gone(old)

    assert old.purl == _PACKAGE
    assert seen("import many") == {_NEXT}
    assert seen("import lone") == {_MODULE}


@pytest.mark.parametrize("code", ["import lone, many", "import many, lone"])
def test_a_trusted_package_counts_beside_a_fresh_one(
    seen: Callable[[str], set[str]], fresh: Fresh, code: str
) -> None:
    """It begins no run; in one that fresh code began it may have acted, whichever came first."""
    seen("import lone, many")
    fresh.trust(_PACKAGE)

    assert seen("import many") == set()
    # The second of the two joins in a real run only: here nobody is labelled, so each open begins one.
    assert seen(code) >= {_MODULE} | ({_PACKAGE} if code.startswith("import many") else set())


class _Shell:
    """Starts programs from outside this process, whose threads answer for them."""

    def __init__(self) -> None:
        self._shell = subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "_Shell":
        return self

    def __exit__(self, *_: object) -> None:
        self._shell.kill()
        self._shell.communicate()

    def start(self, program: Path) -> None:
        """Have it run the program and say so."""
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{program} && echo ran\n")
        self._shell.stdin.flush()

    def said(self, seconds: float) -> bool:
        """Whether a program has run within so long."""
        assert self._shell.stdout is not None
        ready, _, _ = select.select([self._shell.stdout], [], [], seconds)
        return bool(ready) and self._shell.stdout.readline() == "ran\n"


def _label(actor: Actor) -> Label:
    return Label(1, 1, Stage.RESOLVE, actor, 0)


@pytest.mark.parametrize("starter", [None, Actor.COMMAND, Actor.MANAGER, Actor.PACKAGE])
def test_who_may_run_an_install_waits_at_its_exec(guard: None, tmp_path: Path, starter: Actor | None) -> None:
    """From the end of the install until it is marked; not before, not after, and not what labels hold anyway."""
    node, other = tmp_path / "node", tmp_path / "other"
    for program in (node, other):
        shutil.copy("/bin/true", program)
    first = -7
    labels = {first: _label(Actor.MANAGER)}
    held = _label(starter) if starter else None
    gate = Fresh(
        lambda pid: labels.get(pid, None if pid == first else held),
        lambda *_: 1,
        lambda _: True,
        lambda: None,
    )
    gate.start()
    try:
        with _Shell() as shell:
            gate.begin_install(first, [], [str(node)])
            shell.start(node)
            assert shell.said(10)  # it still installs
            del labels[first]
            shell.start(other)
            assert shell.said(10)  # no runtime
            shell.start(node)
            assert shell.said(0.5) is (starter in (Actor.MANAGER, Actor.PACKAGE))
            gate.end_install(first)
            assert starter in (Actor.MANAGER, Actor.PACKAGE) or shell.said(10)
            shell.start(node)
            assert shell.said(10)
    finally:
        gate.stop()
