"""The real corepack becomes yarn or pnpm: what that starts is judged as if it had been started itself."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients import client
from lab.demands import demand
from lab.registry import Registry
from node_house import House, environment
from pip_tracer import trace
from pratique.managers import registry
from pratique.words import Actor, Quality

_PINNED = {"yarn-1": "yarn@1.22.22", "pnpm": "pnpm@10.20.0"}


@pytest.fixture(params=_PINNED)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """A project that pins a manager, which corepack has fetched."""
    demand(None if client("corepack") and client(request.param) else "corepack could not be fetched once")
    with Registry() as served:
        made = House(request.param, Path(os.path.realpath(tmp_path)), served)
        made.project("top", packageManager=_PINNED[request.param], pnpm={"onlyBuiltDependencies": ["top"]})
        yield made


def _environment(house: House) -> dict[str, str]:
    real = subprocess.run(
        ["npm", "config", "get", "registry"], capture_output=True, text=True, check=True, timeout=30
    )
    corepack = client("corepack")
    own = environment(house.name, house.top, house.registry.url)
    return {
        **own,
        "PATH": f"{corepack.parent if corepack else ''}:/usr/local/bin:/usr/bin:/bin",
        "COREPACK_HOME": str(Path(str(corepack)).parents[2] / "home"),
        "COREPACK_NPM_REGISTRY": real.stdout.strip().rstrip("/"),
        "COREPACK_ENABLE_DOWNLOAD_PROMPT": "0",
        "COREPACK_INTEGRITY_KEYS": "0",
        **{key: value for key, value in os.environ.items() if key.lower().endswith(("_proxy", "_ca_certs"))},
    }


def test_what_it_becomes_is_judged_as_itself(house: House) -> None:
    """By `corepack pnpm …` and by its shim `yarn …`: one manager, and a verified package."""
    house.publish("top")
    name = house.kind.family
    program = Path(str(client("corepack")))
    words = [str(program.with_name(name))] if name == "yarn" else [str(program), name]

    tree = trace([*words, "add", "top"], house.mine, _environment(house))

    assert tree.status == 0, tree.seen
    assert len(tree.managers) == 1
    found = {(settled.identity.purl, settled.identity.quality) for _, settled in tree.of(Actor.PACKAGE)}
    assert found == {("pkg:npm/top@1.0.0", Quality.VERIFIED)}, [(c.argv, s) for c, s in tree.seen]


@pytest.mark.parametrize(
    ("line", "said", "asked"),
    [
        ("node corepack yarn add left-padder", "corepack yarn add left-padder", ("left-padder",)),
        ("node corepack pnpm@10 add left-padder", "corepack pnpm add left-padder", ("left-padder",)),
        ("node corepack npm install left-padder", "corepack npm install left-padder", ("left-padder",)),
        ("node corepack use pnpm@12", "corepack pnpm install", ()),
        ("node corepack prepare", "corepack prepare", ()),
        ("node corepack", "corepack ", ()),
    ],
)
def test_its_words_are_those_of_the_other(
    line: str, said: str, asked: tuple[str, ...], tmp_path: Path
) -> None:
    """A report says what was asked for, whoever fetched the manager that did it."""
    family = registry()["corepack"]
    argv = tuple(line.split())

    assert family.describe(argv) == said
    assert family.requested(argv, str(tmp_path)) == asked


def test_the_managers_it_becomes_are_there() -> None:
    """A name in its data without a family would leave what that starts unjudged."""
    from pratique.managers.corepack.facts import facts

    assert set(facts().programs.values()) <= registry().keys()
