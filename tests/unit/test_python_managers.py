"""Real managers of Python packages build made-up packages from an index on loopback; each exec is judged."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients import client
from lab.demands import demand
from pip_tracer import Tree
from pratique.managers import match, patterns
from pratique.managers.base import Stopped
from pratique.managers.pipx.manager import Pipx
from pratique.words import Actor, Quality, Stage
from python_house import KINDS, House, house_in


@pytest.fixture(params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """Everything one test needs, for each manager."""
    demand(None if client(request.param) else f"{request.param} could not be fetched once")
    with house_in(request.param, Path(os.path.realpath(tmp_path))) as made:
        yield made


def _packages(tree: Tree) -> set[tuple[str | None, Quality]]:
    return {(settled.identity.purl, settled.identity.quality) for _, settled in tree.of(Actor.PACKAGE)}


def test_source_archives_are_verified(house: House) -> None:
    """Each build is its own package's, who asked for it is told apart, and nothing else is a package's."""
    house.publish("decoy", wants='["in-ner"]')
    house.publish("in-ner")

    tree = house.add("decoy")

    assert tree.status == 0
    assert _packages(tree) == {
        ("pkg:pypi/decoy@1.2", Quality.VERIFIED),
        ("pkg:pypi/in-ner@1.2", Quality.VERIFIED),
    }, [(child.argv, settled) for child, settled in tree.of(Actor.PACKAGE)]
    direct = {settled.identity.purl: settled.identity.direct for _, settled in tree.of(Actor.PACKAGE)}
    assert direct["pkg:pypi/decoy@1.2"] is True
    stages = {settled.stage for _, settled in tree.of(Actor.PACKAGE)}
    assert stages == ({Stage.BUILD} if house.kind.project else {Stage.BUILD, Stage.FIRST_RUN})


@pytest.mark.parametrize("house", ["poetry"], indirect=True)  # only it unpacks under a name the archive chose
def test_an_archive_that_unpacks_under_a_good_name_is_not_that_package(house: House) -> None:
    """`evil-1.2.tar.gz` holds `good-1.2/`, and `good` is installed too: no evil code goes as good."""
    house.publish("good")
    good = house.top / "files" / "good-1.2.tar.gz"
    kept = good.read_bytes()
    house.publish("good", "evil-1.2.tar.gz", more="\n# evil\n")
    good.write_bytes(kept)
    seen: list[tuple[bool, str]] = []

    def look(child: Stopped) -> None:
        evil = Path(child.cwd, "pyproject.toml")
        seen.append((evil.exists() and "evil" in evil.read_text(), child.cwd))

    tree = house.add("good", at_exec=look)
    assert _packages(tree) == {("pkg:pypi/good@1.2", Quality.VERIFIED)}
    tree = house.add("evil", at_exec=look)

    evil = {cwd for is_evil, cwd in seen if is_evil}
    for child, settled in tree.of(Actor.PACKAGE):
        verified_good = settled.identity.quality is Quality.VERIFIED and "good" in str(settled.identity.purl)
        assert not (child.cwd in evil and verified_good), settled


@pytest.mark.parametrize("house", ["poetry"], indirect=True)  # one stands for all that share the module
def test_a_start_up_file_of_the_environment_is_its_package_s_first_run(house: House) -> None:
    """An interpreter that the manager only asks runs what a package left in a `.pth`: that is no helper."""
    house.publish("decoy")
    house.add("decoy")
    sites = [place for place in house.top.rglob("site-packages") if (place / "decoy.py").exists()]
    (sites[0] / "news.pth").write_text("import this_is_news\n")

    house.publish("other")
    tree = house.add("other")

    asked = [settled for child, settled in tree.seen if str(sites[0].parents[2]) in child.argv[0]]
    assert asked
    assert Actor.HELPER not in {settled.actor for settled in asked}


@pytest.mark.parametrize(
    ("exe", "handed"),
    [
        ("/home/user/.local/bin/uv", True),
        ("/home/user/.local/share/pipx/venvs/evil/bin/uv", False),
        ("/home/user/.cache/pipx/1/bin/uv", False),
    ],
)
def test_pipx_becomes_uv_but_no_program_of_that_name_that_it_installed(exe: str, handed: bool) -> None:
    """`pipx run evil` ends in evil's program, and that may be called uv."""
    pipx = Pipx()
    manager = Stopped(7, ("/v/bin/python", "/v/bin/pipx", "run", "evil"), "/", "", {"HOME": "/home/user"})
    request = pipx.request(pipx._arguments(manager.argv), manager)
    child = Stopped(7, (exe, "tool", "run", "evil"), "/", exe, manager.environment)
    found = match(child.argv, patterns())
    assert found is not None

    assert pipx.hands_over(child, found, request) is handed
