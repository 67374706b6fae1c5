"""What real managers of Node packages are found to have installed: names, places, and what vouches for them."""

import os
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients import client
from lab.demands import demand
from lab.registry import Registry, integrity
from node_yard import LAYOUTS, RARE, Yard, real, where
from pratique.backends.base import FreshTree
from pratique.daemon.installed import Install, found
from pratique.daemon.state import State
from pratique.managers.base import Stopped
from pratique.managers.node.registries import Tarball
from pratique.managers.yarn import classic
from pratique.managers.yarn.manager import Yarn

_GOOD = "pkg:npm/good@1.0.0"


@pytest.fixture(params=LAYOUTS)
def yard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Yard]:
    """Everything one test needs, for each manager and layout."""
    name = request.param
    demand(None if (LAYOUTS | RARE)[name].program else f"{name} could not be fetched once")
    with Registry() as registry:
        yield Yard(name, real(tmp_path), registry)


def _verified(yard: Yard) -> set[str]:
    return {tree.purl for tree in yard.trees if tree.verified}


def _holds(tree: FreshTree, said: str) -> bool:
    """Whether the code of a tree is that which says so."""
    if tree.files and not tree.directories:
        with zipfile.ZipFile(tree.files[0]) as archive:
            names = [name for name in archive.namelist() if name.endswith("/index.js")]
            return any(said in archive.read(name).decode() for name in names)
    return said in Path(tree.directories[0], "index.js").read_text()


def test_honest_packages_are_verified(yard: Yard) -> None:
    """Each by the registry's name, in its own place, scoped ones and what others pulled in, too."""
    yard.publish("top", dependencies={"@s/inner": "^1.0.0"})
    yard.publish("@s/inner", "1.2.0-rc.1")
    yard.publish("@s/inner", "1.2.0")
    trees = yard.add("top")

    assert yard.done.returncode == 0, yard.done.stdout + yard.done.stderr
    assert {purl: tree.verified for purl, tree in trees.items()} == {
        "pkg:npm/top@1.0.0": True,
        "pkg:npm/%40s/inner@1.2.0": True,
    }
    assert _holds(trees["pkg:npm/top@1.0.0"], "top 1.0.0")
    assert _holds(trees["pkg:npm/%40s/inner@1.2.0"], "@s/inner 1.2.0")


@pytest.mark.parametrize("yard", [*LAYOUTS, *RARE], indirect=True)
def test_two_versions_of_one_name(yard: Yard) -> None:
    """Each place has its own."""
    yard.publish("good", "1.0.0")
    yard.publish("good", "2.0.0")
    yard.publish("user", dependencies={"good": "^1.0.0"})
    yard.publish("@s/inner", "1.2.0-rc.1")
    trees = yard.add("user", "good@^2.0.0", "@s/inner")

    rest = {"pkg:npm/user@1.0.0", "pkg:npm/%40s/inner@1.2.0-rc.1"}
    assert _verified(yard) == {_GOOD, "pkg:npm/good@2.0.0", *rest}, (yard.trees, yard.done.stderr)
    assert len(yard.trees) == len(trees)
    assert _holds(trees[_GOOD], "good 1.0.0")
    assert _holds(trees["pkg:npm/good@2.0.0"], "good 2.0.0")


def test_what_was_there_before_is_not_fresh(yard: Yard) -> None:
    """A second install names its own work only, and follows no link; one with nothing to do names nothing."""
    for name in ("early", "late"):
        yard.publish(name)
    assert set(yard.add("early")) == {"pkg:npm/early@1.0.0"}
    stranger = yard.top / "stranger"
    stranger.mkdir()
    (yard.mine / "node_modules").mkdir(exist_ok=True)
    (yard.mine / "node_modules" / "stranger").symlink_to(stranger)
    (stranger / "package.json").write_text('{"name": "stranger", "version": "1.0.0"}')
    assert set(yard.add("late")) == {"pkg:npm/late@1.0.0"}
    assert yard.run("install") == {}


def test_a_committed_lock_file_is_believed_as_far_as_it_is_true(yard: Yard) -> None:
    """The control of what follows: installed from an honest lock file, with nothing else there."""
    yard.publish("good")
    yard.add("good")
    trees = yard.again()

    if (
        yard.layout.settings or yard.layout.manager != "yarn-4"
    ):  # the archive that node opens is still the old one
        assert {purl: tree.verified for purl, tree in trees.items()} == {_GOOD: True}, yard.done.stderr


def _elsewhere(manager: str) -> Callable[[str, str, str, str, str], str]:
    """How a lock file names another archive."""

    def plainly(text: str, old: str, new: str, digest: str, evil: str) -> str:
        return text.replace(old, new).replace(digest, evil)

    def pnpm(text: str, _old: str, new: str, digest: str, evil: str) -> str:
        return text.replace(f"{{integrity: {digest}}}", f"{{integrity: {evil}, tarball: {new}}}")

    def classic(text: str, old: str, new: str, _digest: str, _evil: str) -> str:
        text = re.sub(r"#[0-9a-f]{40}\"", '"', text.replace(old, new))
        return re.sub(r"\n  integrity .*", "", text)

    def berry(text: str, _old: str, new: str, _digest: str, _evil: str) -> str:
        bound = f"good@npm:1.0.0::__archiveUrl={quote(new, safe='')}"
        text = text.replace('resolution: "good@npm:1.0.0"', f'resolution: "{bound}"')
        return re.sub(r"\n  checksum: .*", "", text)

    return {"pnpm": pnpm, "yarn-1": classic, "yarn-4": berry}.get(manager, plainly)


def test_a_lock_file_that_names_another_url(yard: Yard) -> None:
    """It is installed from there under the good name, and that name is not verified."""
    good = yard.publish("good")
    yard.add("good")
    with Registry() as elsewhere:
        evil = elsewhere.add({"name": "good", "version": "1.0.0"}, {"index.js": "console.log('evil')\n"})
        change = _elsewhere(yard.layout.manager)
        old, new = (f"{each.url}good/-/good-1.0.0.tgz" for each in (yard.registry, elsewhere))
        yard.lock.write_text(change(yard.lock.read_text(), old, new, integrity(good), integrity(evil)))
        _forget_what_was_fetched(yard)
        yard.again()

    if yard.layout.manager == "pnpm":  # since pnpm 12 it compares with the registry's document, and stops
        assert yard.done.returncode != 0
    else:
        assert elsewhere.asked, yard.done.stdout + yard.done.stderr
        assert _holds(yard.trees[0], "evil")
    assert _verified(yard) == set()


def _forget_what_was_fetched(yard: Yard) -> None:
    for place in ("home", "cache"):
        for path in (yard.top / place).glob("*") if (yard.top / place).is_dir() else ():
            if path.is_dir():
                shutil.rmtree(path)
    for path in (yard.top / "home").glob(".*"):
        if path.is_dir():
            shutil.rmtree(path)


def test_an_archive_by_its_url(yard: Yard) -> None:
    """Watched, and whatever it calls itself is its own claim."""
    yard.publish("good")
    with Registry() as elsewhere:
        elsewhere.add({"name": "good", "version": "1.0.0"}, {"index.js": "console.log('evil')\n"})
        yard.add(f"good@{elsewhere.url}good/-/good-1.0.0.tgz")

    assert yard.trees, yard.done.stdout + yard.done.stderr
    assert _verified(yard) == set()


def test_an_alias_is_what_it_stands_for(yard: Yard) -> None:
    """`good@npm:evil` is evil."""
    yard.publish("evil", "3.0.0")
    yard.add("good@npm:evil@3.0.0")

    assert yard.trees, yard.done.stdout + yard.done.stderr
    assert _verified(yard) <= {"pkg:npm/evil@3.0.0"}


def test_a_package_json_that_lies(yard: Yard) -> None:
    """The registry's name counts, not the archive's."""
    yard.publish("esbuild", "9.9.9")
    lying = {"name": "esbuild", "version": "9.9.9"}
    archive = yard.registry.add(lying, {"index.js": ""}, "evil")
    yard.registry.archives.pop(("evil", "9.9.9"))
    yard.registry.archives["evil", "1.0.0"] = ({"name": "evil", "version": "1.0.0"}, archive)
    yard.add("evil")

    assert not any("esbuild" in tree.purl for tree in yard.trees if tree.verified), yard.trees


def test_what_is_bundled_is_a_claim(yard: Yard) -> None:
    """A copy inside another package's archive is watched, and not the good one, which stands beside it."""
    good = yard.publish("good")
    own = f'"_resolved": "{yard.registry.url}good/-/good-1.0.0.tgz", "_integrity": "{integrity(good)}"'
    inside = {
        "node_modules/good/package.json": f'{{"name": "good", "version": "1.0.0", {own}}}',
        "node_modules/good/index.js": "console.log('evil')\n",
        "node_modules/.own/run.js": "console.log('evil')\n",
        "node_modules/single.js": "console.log('evil')\n",
    }
    yard.publish("carrier", files=inside, dependencies={"good": "1.0.0"}, bundleDependencies=["good"])
    yard.add("carrier", "good")

    carrier = next(tree for tree in yard.trees if "carrier" in tree.purl)
    inner = [tree for tree in yard.trees if "/carrier/node_modules/good" in where(tree)]
    assert carrier.verified, yard.done.stdout + yard.done.stderr
    assert not any(tree.verified for tree in inner)
    if inner:
        below = Path(carrier.directories[0], "node_modules")
        assert str(below / ".own") in carrier.directories
        assert str(below / "single.js") in carrier.files
    evil = [
        tree for tree in yard.trees if tree.verified and "carrier" not in tree.purl and _holds(tree, "evil")
    ]
    assert evil == []


def test_a_folder_of_the_user_s_is_no_package(yard: Yard) -> None:
    """A link leads out of the tree, and is not followed; a copy is a claim."""
    local = yard.top / "local"
    local.mkdir()
    (local / "package.json").write_text('{"name": "good", "version": "1.0.0"}')
    (local / "index.js").write_text("")
    yard.add("good@file:../local")

    assert _verified(yard) == set(), yard.trees
    assert not any(where(tree).startswith(str(local)) for tree in yard.trees)


@pytest.mark.parametrize("yard", ["npm", "pnpm", "yarn-1", "yarn-4", "bun"], indirect=True)
def test_a_note_that_package_code_wrote_proves_nothing(yard: Yard) -> None:
    """The packages are still watched."""
    yard.publish("good")
    assert yard.add("good")[_GOOD].verified
    yard.written = {tree.record for tree in yard.trees}
    yard.publish("late")
    yard.add("late")

    assert _verified(yard) == set()
    assert {tree.purl for tree in yard.trees} == {"pkg:npm/late@1.0.0"}


_GLOBAL = {
    "npm": ("install", "-g"),
    "pnpm": ("add", "-g"),
    "yarn-1": ("global", "add"),
    "bun": ("add", "-g"),
}


@pytest.mark.parametrize("yard", _GLOBAL, indirect=True)
def test_what_is_installed_for_all_projects(yard: Yard) -> None:
    """In the places that the managers share, with what is pulled in; an archive by its URL stays a claim."""
    home = yard.environment["HOME"]
    yard.environment |= {"npm_config_prefix": f"{home}/own", "XDG_CONFIG_HOME": f"{home}/.config"}
    yard.environment["PATH"] += f":{home}/.local/share/pnpm/bin"
    folder = ("--global-folder", f"{home}/.config/yarn/global") if yard.layout.manager == "yarn-1" else ()
    yard.publish("top", dependencies={"@s/inner": "^1.0.0"})
    yard.publish("@s/inner")
    yard.run(*_GLOBAL[yard.layout.manager], *folder, "top")

    assert _verified(yard) == {"pkg:npm/top@1.0.0", "pkg:npm/%40s/inner@1.0.0"}, (yard.trees, yard.done)
    assert all(where(tree).startswith(f"{home}/") for tree in yard.trees)
    with Registry() as elsewhere:
        elsewhere.add({"name": "good", "version": "1.0.0"}, {"index.js": "console.log('evil')\n"})
        yard.run(*_GLOBAL[yard.layout.manager], *folder, f"{elsewhere.url}good/-/good-1.0.0.tgz")
    assert [(tree.purl, tree.verified) for tree in yard.trees] == [(_GOOD, False)], yard.done


@pytest.mark.parametrize("yard", ["npm"], indirect=True)
def test_a_digest_brought_in_under_another_name(yard: Yard) -> None:
    """What has the digest is taken from npm's cache: a lock file may bring it in, and call it the registry's good."""
    good = yard.publish("good")
    with Registry() as elsewhere:
        evil = elsewhere.add({"name": "other", "version": "1.0.0"}, {"index.js": "console.log('evil')\n"})
        yard.project(dependencies={"good": "1.0.0", "other": f"{elsewhere.url}other/-/other-1.0.0.tgz"})
        yard.run("install")
        assert _GOOD in _verified(yard)
        yard.lock.write_text(yard.lock.read_text().replace(integrity(good), integrity(evil)))
        _forget_what_was_fetched(yard)
        yard.run("cache", "add", f"{elsewhere.url}other/-/other-1.0.0.tgz")
        yard.again()

    fooled = next(tree for tree in yard.trees if "/good" in where(tree))
    assert _holds(fooled, "evil")
    assert _verified(yard) == set()


@pytest.mark.parametrize("yard", ["npm", "yarn-1", "yarn-4-folders", "bun", "bun-isolated"], indirect=True)
def test_a_workspace_has_a_tree_of_its_own(yard: Yard) -> None:
    """What could not be shared with the root lies in the workspace."""
    yard.publish("good", "1.0.0")
    yard.publish("good", "2.0.0")
    yard.project(private=True, workspaces=["parts/*"], dependencies={"good": "2.0.0"})
    part = yard.mine / "parts" / "one"
    part.mkdir(parents=True)
    (part / "package.json").write_text(
        '{"name": "one", "version": "1.0.0", "dependencies": {"good": "1.0.0"}}'
    )
    trees = yard.run("install")

    assert _verified(yard) == {_GOOD, "pkg:npm/good@2.0.0"}, (yard.trees, yard.done)
    assert _holds(trees[_GOOD], "good 1.0.0")


def test_yarn_1_s_own_registry_is_read_from_it() -> None:
    """Where none is configured: by the program that ran, and another one that it takes for the same."""
    program = client("yarn-1")
    demand(None if program else "yarn-1 could not be fetched once")
    own, same = classic.built_in(Stopped(0, ("node", str(program), "add", "x"), "/", "", {}))

    assert own is not None
    assert same is not None
    assert own != same
    url = f"{own}/good/-/good-1.0.0.tgz"
    found = Yarn().configured(Stopped(0, ("node", str(program)), "/", "", {}), "/")
    assert found.tarball(url) == Tarball("good", "1.0.0", url)
    assert found.tarball(url.replace(own, same)) is not None
    assert found.tarball(url.replace("good-1", "evil-1")) is None
    for registry, is_own in ((same, True), ("http://127.0.0.1:1", False)):
        there = Stopped(0, ("node", str(program)), "/", "", {"YARN_REGISTRY": registry})
        assert (Yarn().configured(there, "/").tarball(url) is not None) is is_own


_SAID = st.sampled_from(
    [
        *(
            "good@1.0.0",
            "@s/x@1.0.0",
            "good@npm:1.0.0",
            "npm:1.0.0",
            "__archiveUrl=http%3A//x",
            "../../x",
            "/etc",
            "\0",
        ),
        *(
            "node_modules/good",
            "./.yarn/unplugged/g/node_modules/good/",
            "../.yarn/berry/cache/x-npm-1.0.0-0123456789-1.zip",
        ),
        *(
            "packages",
            "lockfileEntries",
            "packageRegistryData",
            "locations",
            "resolution",
            "integrity",
            "sha512-x",
        ),
        *(
            "'",
            '"',
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\n",
            "\n  ",
            "\n    ",
            "\\",
            "- ",
            "RAW_RUNTIME_STATE =\n'",
            "null",
        ),
    ]
)
_TEXT = st.lists(_SAID | st.text(max_size=5), max_size=60).map("".join)
_NOTES = {
    "node_modules/.package-lock.json": '{{"packages": {{{}}}}}',
    "node_modules/.pnpm/lock.yaml": "packages:\n\n  {}",
    "node_modules/.yarn-integrity": '{{"lockfileEntries": {{{}}}}}',
    "node_modules/.yarn-state.yml": '"good@npm:1.0.0":\n  locations:\n    - "{}"',
    ".pnp.cjs": "const RAW_RUNTIME_STATE =\n'{}';",
    ".pnp.data.json": '{{"packageRegistryData": [{}]}}',
    "bun.lock": '    "good": ["{}"],',
}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(_NOTES)), _TEXT, st.booleans())
def test_no_note_leads_out_of_its_tree(name: str, content: str, framed: bool) -> None:
    """Whatever is written where a manager notes something, only what lies below the project is named."""
    with tempfile.TemporaryDirectory() as folder:
        top = real(Path(folder))
        for place in ("node_modules/good", "node_modules/.pnpm/good@1.0.0/node_modules/good", "home"):
            (top / place).mkdir(parents=True)
        text = (
            _NOTES[name].replace("{}", content).replace("{{", "{").replace("}}", "}") if framed else content
        )
        (top / name).write_bytes(text.encode("utf-8", "surrogatepass"))
        install = Install(("bun", "add", "good"), str(top), {"HOME": str(top / "home")}, time.time() - 60)
        trees = list(found(install, lambda _: False))

        assert len(trees) == len({where(tree) for tree in trees}) == 2
        for tree in trees:
            assert all(place.startswith(f"{top}/node_modules/") for place in (*tree.directories, *tree.files))


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=1, max_size=20).filter(lambda name: not set(name) & {0, 47} and name.strip(b".")))
def test_a_folder_of_any_name_is_watched(name: bytes) -> None:
    """Also where its bytes are no text, the daemon can keep what it is called."""
    with tempfile.TemporaryDirectory() as folder:
        inner = os.fsencode(real(Path(folder))) + b"/node_modules/x/node_modules/" + name
        Path(os.fsdecode(inner)).mkdir(parents=True)
        (Path(os.fsdecode(inner)) / "index.js").touch()
        trees = list(
            found(Install(("npm", "ci"), str(real(Path(folder))), {}, time.time() - 60), lambda _: False)
        )
        state = State(Path(folder) / "daemon.db")
        for tree in trees:
            state.keep_package(tree, time.time())
        marked = {place for tree in trees for place in (*tree.directories, *tree.files)}
        kept = {place for tree in state.fresh(time.time()) for place in (*tree.directories, *tree.files)}
        state.close()

    assert any(os.fsdecode(inner) in place or place in os.fsdecode(inner) + "/index.js" for place in marked)
    assert kept == marked
