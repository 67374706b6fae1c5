"""Hosts that a manager can be expected to talk to, with their reasons."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.managers import hosts, registry
from pratique.managers.base import Learned

_NPM = ("node", "/usr/bin/npm")


def _found(name: str, argv: tuple[str, ...], environment: dict[str, str], cwd: Path) -> dict[str, str]:
    return {each.host: each.reason for each in registry()[name].hosts(argv, environment, str(cwd))}


def test_npm_names_the_file_that_says_so(tmp_path: Path) -> None:
    """The project's, the user's and the environment's registries, scopes, the lock file, URLs and proxies."""
    project, home = tmp_path / "project", tmp_path / "home"
    for folder in (project / "deep", home):
        folder.mkdir(parents=True)
    (project / "package.json").write_text("{}")
    (project / ".npmrc").write_text("registry=https://one.test/npm/\n//one.test/:_authToken=canary\n")
    (home / ".npmrc").write_text("; comment\n@mine:registry = https://u:canary@two.test/\n")
    lock = {"packages": {"a": {"resolved": "https://three.test/a/-/a-1.0.0.tgz", "integrity": "x"}}}
    (project / "package-lock.json").write_text(json.dumps(lock, indent=2))
    environment = {
        "HOME": str(home),
        "npm_config_registry": "https://four.test/",
        "https_proxy": "http://proxy.test:3128",
    }
    argv = (*_NPM, "install", "git+https://five.test/x.git", "b@https://six.test/b.tgz")

    assert _found("npm", argv, environment, project / "deep") == {
        "four.test": "registry in npm_config_registry",
        "one.test": f"registry in {project}/.npmrc",
        "two.test": f"@mine has its registry in {home}/.npmrc",
        "three.test": "package-lock.json",
        "five.test": "named on the command line",
        "six.test": "named on the command line",
        "proxy.test": "proxy in https_proxy",
    }


def test_uv_reads_its_settings_and_lock(tmp_path: Path) -> None:
    """Indexes of the project, the environment and the command line, and what the lock names."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\n[[tool.uv.index]]\nname = "i"\nurl = "https://one.test/simple"\n'
    )
    (tmp_path / "uv.lock").write_text(
        'source = { registry = "https://two.test/simple" }\n'
        'sdist = { url = "https://three.test/a.tar.gz", hash = "sha256:0" }\n'
    )
    environment = {"HOME": str(tmp_path), "UV_DEFAULT_INDEX": "https://four.test/simple"}
    argv = ("uv", "sync", "--find-links", "https://five.test/links")

    assert _found("uv", argv, environment, tmp_path) == {
        "one.test": "an index",
        "four.test": "an index",
        "five.test": "a find-links place",
        "two.test": "uv.lock",
        "three.test": "uv.lock",
    }


@pytest.mark.parametrize("name", ["pip", "npm", "uv"])
def test_nothing_configured_needs_no_file(tmp_path: Path, name: str) -> None:
    """A command line of another program, in an empty place, is answered too."""
    assert isinstance(registry()[name].hosts((), {}, str(tmp_path)), tuple)


def test_a_host_is_told_once_and_not_without_end() -> None:
    """The first reason stays; a lock file may have been written to fill the report."""
    many = [Learned(f"{number}.test", "lock") for number in range(1000)]

    found = hosts.first_reasons([Learned("0.test", "an index"), *many])

    assert found[0] == ("0.test", "an index")
    assert len(found) == 100


@given(st.text(), st.text())
def test_any_word_is_a_host_or_none(word: str, tail: str) -> None:
    """What looks like a URL and is none raises nothing, and user info is never part of a host."""
    for text in (word, f"https://{word}", f"https://u:canary1@{word}/{tail}", f"{word}@git+ssh://{tail}"):
        for found in (*hosts.at(text, "r"), *hosts.named([text])):
            assert "canary1@" not in found.host


def test_lock_files_are_read_by_their_pattern(tmp_path: Path) -> None:
    """A missing one names nothing."""
    assert list(hosts.locked(str(tmp_path / "no.lock"), re.compile(r"(https://\S+)"), "lock")) == []
