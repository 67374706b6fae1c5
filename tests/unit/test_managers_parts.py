"""What the other managers keep is read as hostile text: it raises no exception and makes no name by itself."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pratique.managers import registry
from pratique.managers.bun import manager as bun
from pratique.managers.pdm import evidence as pdm
from pratique.managers.pnpm import evidence as pnpm
from pratique.managers.pnpm import manager as pnpm_settings
from pratique.managers.poetry import evidence as poetry
from pratique.managers.python import archives
from pratique.managers.python.builds import Builds
from pratique.managers.yarn import berry, classic
from pratique.model import Identity
from pratique.words import Quality

_ANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_FILES = (
    "package.json",
    "pnpm-workspace.yaml",
    ".yarnrc.yml",
    ".yarnrc",
    "bunfig.toml",
    "pyproject.toml",
    "yarn.lock",
    ".npmrc",
)


@_ANY
@given(data=st.binary(max_size=400), sizes=st.tuples(st.integers(0, 400), st.integers(0, 400)))
def test_a_registry_s_document_of_any_bytes(tmp_path: Path, data: bytes, sizes: tuple[int, int]) -> None:
    """Pnpm's documents with an index that leads anywhere hold no version."""
    for name, head in (("a.jsonl", b"pnpm-meta-v1 %d %d\n" % sizes), ("a.json", b"")):
        (tmp_path / name).write_bytes(head + data)
        assert pnpm._dist(tmp_path / name, "1.0.0") == {}


@_ANY
@given(content=st.text(max_size=300))
def test_settings_of_any_text(tmp_path: Path, content: str) -> None:
    """Lists and locks that are none give nothing."""
    (tmp_path / ".yarn-metadata.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    assert classic._note(str(tmp_path)) == {}
    (tmp_path / "bunfig.toml").write_text(content, encoding="utf-8", errors="surrogateescape")
    bun._scopes(bun._install(str(tmp_path / "bunfig.toml")))
    assert all(isinstance(word, str) for word in pnpm_settings._listed(content, "packages"))
    assert list(pdm._locked(content, "a", "1")) == []
    assert list(poetry._locked(content, "a", "1")) == []
    assert all(isinstance(words, list) for words in berry._commands(content))


@_ANY
@given(data=st.binary(max_size=300), is_zip=st.booleans())
def test_archives_of_any_bytes(tmp_path: Path, data: bytes, is_zip: bool) -> None:
    """Whatever is no archive is a ValueError or empty, never anything else."""
    (tmp_path / "x").write_bytes((b"PK\x05\x06" if is_zip else b"\x1f\x8b\x08") + data)
    readers: tuple[Callable[[], object], ...] = (
        lambda: list(archives.members(io.BytesIO((tmp_path / "x").read_bytes()))),
        lambda: list(berry._members(str(tmp_path / "x"), "a", str(tmp_path))),
    )
    for read in readers:
        try:
            assert read() == []
        except (ValueError, OSError, EOFError):
            continue


@pytest.mark.parametrize("family", registry())
@_ANY
@given(words=st.lists(st.text(max_size=20), max_size=6), content=st.text(max_size=120))
def test_command_lines_and_projects_of_any_text(
    tmp_path: Path, family: str, words: list[str], content: str
) -> None:
    """What is said of a command in the report never fails on the command or on the files around it."""
    for name in _FILES:
        (tmp_path / name).write_text(content, encoding="utf-8", errors="surrogateescape")
    manager = registry()[family]
    for pattern in manager.patterns():
        interpreter = list(pattern.interpreters[:1])
        argv = (
            *interpreter,
            *pattern.targets[:1],
            *pattern.verbs[:1],
            *(word.replace("\0", "") for word in words),
        )
        assert isinstance(manager.describe(argv), str)
        assert all(isinstance(name, str) for name in manager.requested(argv, str(tmp_path)))
        environment = {"HOME": str(tmp_path), "NODE_OPTIONS": content, "PYTHONPATH": content}
        assert isinstance(manager.inside(argv, environment, str(tmp_path)), tuple)
        assert isinstance(manager.hosts(argv, {"HOME": str(tmp_path)}, str(tmp_path)), tuple)


def test_the_hash_of_what_yarn_resolved() -> None:
    """As yarn 4.18 names its archives."""
    assert berry.locator("decoy", "npm:1.2.0") == "e21791119b"
    assert berry.locator("@s/inner", "npm:1.0.0") == "b3c0bcf6da"


def test_lists_as_people_write_them() -> None:
    """With quotes, comments and empty lines; what is not true is not approved."""
    content = "packages:\n  - 'a/*'  # ours\n\n  - b\nallowBuilds:\n"
    content += "  esbuild: true\n  '@s/x@1.2.3': true\n  evil: false\nx: 1\n"

    assert pnpm_settings._listed(content, "packages") == ["a/*", "b"]
    assert pnpm_settings._allowed(content) == ["esbuild", "@s/x"]


def test_the_number_of_a_source_that_is_gone_is_not_another_s(tmp_path: Path) -> None:
    """Managers unpack, build and remove one source after the other: none is taken for one that was moved there."""
    memory = Builds[None]()
    for turn in range(100):
        source = tmp_path / f"source-{turn}"
        source.mkdir()
        own = Identity(Quality.VERIFIED, f"pkg:pypi/own@{turn}")

        assert not memory.moved(str(source))
        assert memory.identify(str(source), "", False, lambda own=own: (own, "")) == (own, "")
        source.rmdir()
    last = len(list(Path("/proc/self/fd").iterdir()))
    del memory
    assert len(list(Path("/proc/self/fd").iterdir())) == last - 100
