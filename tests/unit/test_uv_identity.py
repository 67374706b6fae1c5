"""A build is verified by what only uv wrote; nothing a package says, moves or prepares makes it another."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pratique.managers.base import Context, Stopped
from pratique.managers.uv.keys import index_key
from pratique.managers.uv.manager import Uv
from pratique.model import Settlement
from pratique.words import Actor, Quality, Stage

INDEX = "https://index.test/simple"
HOOK = 'import sys\n\nif sys.path[0] == "":\n    sys.path.pop(0)\n\nsys.path = [] + sys.path\n\nimport x as backend\n'
SHA = "ab" * 32


@dataclass
class Lab:
    """A uv at work, made of directories and of processes that never ran."""

    top: Path
    line: str = "uv pip install --default-index https://index.test/simple evil"
    environment: dict[str, str] = field(default_factory=dict)
    memory: dict[str, object] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)

    @property
    def cache(self) -> Path:
        """Where uv keeps its cache by default."""
        return self.top / "home/.cache/uv"

    @property
    def manager(self) -> Stopped:
        """The uv the user started."""
        given = {"HOME": str(self.top / "home"), "TMPDIR": str(self.top / "tmp"), **self.environment}
        return Stopped(os.getpid(), tuple(self.line.split()), str(self.top), "/opt/uv", given)

    def source(
        self, name: str, version: str, *, index: str | None = INDEX, cache: Path | None = None
    ) -> Path:
        """Unpack a source as uv does, with its revision file."""
        segment = f"index/{index_key(index)}" if index else "pypi"
        revision = (cache or self.cache) / f"sdists-v11/{segment}/{name}/{version}"
        place = revision / f"{name[:4]:x<4}AAAABBBBCCCC" / "src"
        place.mkdir(parents=True)
        url = f"https://files.test/{name}-{version}.tar.gz"
        note = b"\x93\xb0" + place.parent.name.encode() + b"\x91\x81\xa6Sha256\xd9\x40" + SHA.encode()
        (revision / "revision.http").write_bytes(
            note + b"\xcd\x02\xc6xHbmBuwPcvMwhO34" + url.encode() + b"\0\0"
        )
        self.says(place, name, version)
        return place

    def says(self, place: Path, name: str, version: str) -> None:
        """Write what a package says of itself."""
        (place / "PKG-INFO").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    def build(self, cwd: Path | str, said: Path | str | None = None, room: str = ".tmpAAAAAA") -> Settlement:
        """Judge a hook that uv starts in `cwd`, having meant `said`."""
        cache = str(self.cache)
        python = f"{cache}/builds-v0/{room}/bin/python"
        environment = {"UV_INTERNAL__BUILD_DIR": str(said or cwd)}
        return self.judge(
            Stopped(77, (python, "-c", HOOK), os.path.realpath(cwd), "/usr/bin/python3", environment)
        )

    def judge(self, child: Stopped, manager: Stopped | None = None) -> Settlement:
        """Judge any child of uv's."""
        above = manager or self.manager
        return Uv().classify(child, Context(above, above, lambda path: path in self.written, self.memory))

    def wrote(self, *paths: Path | str) -> None:
        """Package code wrote these."""
        self.written |= {str(path) for path in paths}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """An empty cache."""
    (tmp_path / "tmp").mkdir()
    return Lab(Path(os.path.realpath(tmp_path)))


def _claimed(settled: Settlement) -> bool:
    return settled.actor is Actor.PACKAGE and settled.identity.quality is not Quality.VERIFIED


def test_a_source_of_a_configured_index_is_verified(lab: Lab) -> None:
    """Name and version from uv's path, URL and digest from its revision file."""
    settled = lab.build(lab.source("evil", "1.0"))

    assert (settled.actor, settled.stage, settled.new_origin) == (Actor.PACKAGE, Stage.BUILD, True)
    assert settled.identity.quality is Quality.VERIFIED
    assert settled.identity.purl == "pkg:pypi/evil@1.0"
    assert settled.identity.source == "https://files.test/evil-1.0.tar.gz"
    assert settled.identity.digest == f"sha256-{SHA}"
    assert settled.identity.direct is True


def test_a_source_of_the_built_in_index_is_verified(lab: Lab) -> None:
    """What was pulled in is no request of the user's."""
    settled = lab.build(lab.source("need", "2.0", index=None))

    assert (settled.identity.quality, settled.identity.direct) == (Quality.VERIFIED, False)


def test_another_index_verifies_nothing(lab: Lab) -> None:
    """An index the user never configured (a package's own settings may name one) is claimed."""
    assert _claimed(lab.build(lab.source("evil", "1.0", index="https://evil.test/simple")))


def test_a_find_links_place_verifies_nothing(lab: Lab) -> None:
    """Nobody vouches for what lies in a directory."""
    lab.line = "uv pip install --find-links links evil"
    settled = lab.build(lab.source("evil", "1.0", index=f"file://{lab.top}/links"))

    assert (settled.identity.quality, settled.reason) == (Quality.CLAIMED, "from a find-links place")


def test_metadata_that_names_another_package_is_no_proof(lab: Lab) -> None:
    """PKG-INFO says esbuild: the path keeps the name, and the contradiction takes the proof away."""
    place = lab.source("evil", "1.0")
    lab.says(place, "numpy", "1.0")
    settled = lab.build(place)

    assert settled.identity.purl == "pkg:pypi/evil@1.0"
    assert settled.identity.quality is Quality.CLAIMED


def test_a_cache_the_user_did_not_choose_is_none(lab: Lab) -> None:
    """A directory that looks like uv's cache, and a child told that it is, count for nothing."""
    fake = lab.top / "loot/uv"
    place = lab.source("numpy", "1.0", cache=fake)
    child = Stopped(
        77,
        (f"{fake}/builds-v0/.tmpAAAAAA/bin/python", "-c", HOOK),
        str(place),
        "/usr/bin/python3",
        {"UV_INTERNAL__BUILD_DIR": str(place), "UV_CACHE_DIR": str(fake)},
    )
    settled = lab.judge(child)

    assert settled.actor is Actor.PACKAGE
    assert settled.identity.purl is None


def test_the_user_s_own_cache_is_one(lab: Lab) -> None:
    """UV_CACHE_DIR and --cache-dir of the command itself are followed."""
    own = lab.top / "own"
    place = lab.source("evil", "1.0", cache=own)
    lab.environment["UV_CACHE_DIR"] = str(own)

    child = Stopped(
        77, (f"{own}/builds-v0/.tmpAAAAAA/bin/python", "-c", HOOK), str(place), "/usr/bin/python3", {}
    )

    assert lab.judge(child).identity.quality is Quality.VERIFIED


def test_a_cache_open_to_everybody_verifies_nothing(lab: Lab) -> None:
    """Anyone could have prepared the source there."""
    place = lab.source("evil", "1.0")
    place.parent.parent.chmod(0o777)

    assert _claimed(lab.build(place))


def test_without_a_cache_the_temporary_one_is_uv_s(lab: Lab) -> None:
    """`--no-cache` builds below a directory of the temporary folder; with a cache kept, that is none."""
    cache = lab.top / "tmp/.tmpXyz012"
    place = lab.source("evil", "1.0", cache=cache)
    child = Stopped(
        77, (f"{cache}/builds-v0/.tmpAAAAAA/bin/python", "-c", HOOK), str(place), "/usr/bin/python3", {}
    )

    assert _claimed(lab.judge(child))
    lab.memory.clear()
    lab.line += " --no-cache"
    assert lab.judge(child).identity.quality is Quality.VERIFIED


def test_a_temporary_cache_elsewhere_is_none(lab: Lab) -> None:
    """Not below another directory, not by another name, not through a link."""
    lab.line += " --no-cache"
    for place in ("tmp/deep/.tmpXyz012", "tmp/xyz", "other/.tmpXyz012"):
        source = lab.source("evil", "1.0", cache=lab.top / place)
        child = Stopped(77, ("/x/bin/python", "-c", HOOK), str(source), "/usr/bin/python3", {})
        lab.memory.clear()
        assert lab.judge(child).identity.purl is None, place


def test_a_forged_build_directory_is_found_out(lab: Lab) -> None:
    """Uv said one directory and the code runs in another: neither name is believed."""
    good, evil = lab.source("numpy", "1.0"), lab.source("evil", "1.0")
    lab.build(evil)
    settled = lab.build(evil, said=good, room=".tmpBBBBBB")

    assert _claimed(settled)
    assert settled.identity.candidates == ("pkg:pypi/evil@1.0",)


def test_a_variable_of_the_user_s_own_is_not_uv_s_word(lab: Lab) -> None:
    """UV_INTERNAL__BUILD_DIR that was there before uv started says nothing of this build."""
    place = lab.source("evil", "1.0")
    lab.environment["UV_INTERNAL__BUILD_DIR"] = "/somewhere"
    child = Stopped(
        77,
        (f"{lab.cache}/builds-v0/.tmpAAAAAA/bin/python", "-c", HOOK),
        str(place),
        "/usr/bin/python3",
        {"UV_INTERNAL__BUILD_DIR": "/somewhere"},
    )

    assert lab.judge(child).identity.quality is Quality.VERIFIED


def test_a_link_to_another_source_is_found_out(lab: Lab) -> None:
    """Package code that puts a link where another source is to be built runs under no verified name."""
    good, evil = lab.source("numpy", "1.0"), lab.source("evil", "1.0")
    lab.build(evil)
    good.rename(good.with_name("gone"))
    good.symlink_to(evil)
    settled = lab.build(good, said=good, room=".tmpBBBBBB")

    assert _claimed(settled)


def test_a_renamed_directory_is_found_out(lab: Lab) -> None:
    """A package that moves its own source to another's place is not taken for that one."""
    good, evil = lab.source("numpy", "1.0"), lab.source("evil", "1.0")
    lab.build(evil)
    good.rename(good.with_name("gone"))
    evil.rename(good)
    (good / "PKG-INFO").unlink()

    assert _claimed(lab.build(good, room=".tmpBBBBBB"))


def test_a_file_moved_into_another_source_is_found_out(lab: Lab) -> None:
    """It was written by uv, in the package's own source, and changed only its place."""
    good, evil = lab.source("numpy", "1.0"), lab.source("evil", "1.0")
    (evil / "setup.py").write_text("")
    lab.build(evil)
    time.sleep(0.02)
    (evil / "setup.py").rename(good / "setup.py")

    assert _claimed(lab.build(good, room=".tmpBBBBBB"))


def test_what_was_unpacked_before_other_code_ran_stays_verified(lab: Lab) -> None:
    """Honest sources beside each other, and what an earlier run left in one of them, draw no doubt."""
    one, two = lab.source("evil", "1.0"), lab.source("numpy", "1.0")
    (two / "build").mkdir()

    assert lab.build(one).identity.quality is Quality.VERIFIED
    assert lab.build(two, room=".tmpBBBBBB").identity.quality is Quality.VERIFIED


def test_a_revision_that_names_another_directory_is_no_proof(lab: Lab) -> None:
    """A directory put beside the one uv made has no revision file that speaks of it."""
    place = lab.source("evil", "1.0")
    other = place.parent.with_name("DDDDEEEEFFFFGGGG") / "src"
    other.mkdir(parents=True)

    assert _claimed(lab.build(other))


def test_an_archive_of_another_name_is_no_proof(lab: Lab) -> None:
    """The URL in the revision file has to give the very name."""
    place = lab.source("evil", "1.0")
    note = place.parent.parent / "revision.http"
    note.write_bytes(note.read_bytes().replace(b"evil-1.0.tar.gz", b"numpy-1.0.tar.gz"))

    assert _claimed(lab.build(place))


@pytest.mark.parametrize("part", ["src", "src/setup.py", "revision", "above"])
def test_what_package_code_wrote_proves_nothing(lab: Lab, part: str) -> None:
    """A source, its files, its revision file and the directories above it: all have to be uv's own work."""
    lab.build(lab.source("evil", "1.0"))
    place = lab.source("numpy", "1.0")
    (place / "setup.py").write_text("")
    above = place.parent.parent
    lab.wrote(
        {"src": place, "src/setup.py": place / "setup.py", "revision": above / "revision.http"}.get(
            part, above
        )
    )

    assert _claimed(lab.build(place, room=".tmpBBBBBB"))


def test_an_environment_serves_one_source(lab: Lab) -> None:
    """A process in another source's build environment is not the package of its directory."""
    one, two = lab.source("evil", "1.0"), lab.source("numpy", "1.0")
    lab.build(one)

    assert _claimed(lab.build(two))


def test_what_was_found_first_stays(lab: Lab) -> None:
    """Later hooks of the same source get the same answer, whatever the package has changed meanwhile."""
    place = lab.source("evil", "1.0")
    first = lab.build(place)
    lab.says(place, "numpy", "9.9")
    (place.parent.parent / "revision.http").unlink()

    assert lab.build(place).identity == first.identity


def test_a_direct_url_is_claimed(lab: Lab) -> None:
    """What an archive calls itself is all there is."""
    place = lab.cache / "sdists-v11/url/0123456789abcdef/AAAABBBBCCCCDDDD/src"
    place.mkdir(parents=True)
    lab.says(place, "evil", "1.0")
    settled = lab.build(place)

    assert (settled.identity.quality, settled.identity.purl) == (Quality.CLAIMED, "pkg:pypi/evil@1.0")


def test_a_checkout_is_claimed(lab: Lab) -> None:
    """The name is the user's word or the source's own; the URL is the user's, without its secrets."""
    lab.line = "uv pip install evil@git+https://me:pw@git.test/evil"
    place = lab.cache / "git-v2/checkouts/0123456789abcdef/5689d0e"
    place.mkdir(parents=True)
    (place / "pyproject.toml").write_text('[project]\nname = "numpy"\nversion = "1"\n')
    settled = lab.build(place)

    assert settled.identity.quality is Quality.CLAIMED
    assert settled.identity.source == "https://git.test/evil"
    assert (settled.identity.purl or "").startswith("pkg:pypi/evil@1?")


def test_the_lock_gives_the_digest_uv_did_not_note(lab: Lab) -> None:
    """uv.lock of the user's project, when the command works with it."""
    lab.line = "uv sync --default-index https://index.test/simple"
    (lab.top / "pyproject.toml").write_text('[project]\nname = "me"\ndependencies = ["evil"]\n')
    other = "cd" * 32
    (lab.top / "uv.lock").write_text(
        f'[[package]]\nname = "evil"\nversion = "1.0"\nsource = {{ registry = "{INDEX}" }}\n'
        f'sdist = {{ url = "https://files.test/evil-1.0.tar.gz", hash = "sha256:{other}" }}\n'
    )
    place = lab.source("evil", "1.0")
    note = place.parent.parent / "revision.http"
    note.write_bytes(note.read_bytes().replace(b"Sha256", b"Blake2"))
    settled = lab.build(place)

    assert (settled.identity.digest, settled.identity.direct) == (f"sha256-{other}", True)


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("uv pip install ./mine", "mine"),
        ("uv pip install -e mine", "mine"),
        ("uv pip install -r mine/pyproject.toml", "mine"),
        ("uv sync", "."),
        ("uv lock", "member"),
        ("uv run x", "beside"),
        ("uv build mine", "mine"),
        ("uv --directory mine sync", "mine"),
        ("uv --project mine sync", "mine"),
        ("uv tool uvx --from ./mine x", "mine"),
        ("uv tool install --with-editable mine x", "mine"),
    ],
)
def test_the_user_s_own_code_is_the_project_s(lab: Lab, line: str, place: str) -> None:
    """Named directories, the project, members of its workspace, and the paths it leads to."""
    for folder in ("mine", "member", "beside"):
        (lab.top / folder).mkdir()
        (lab.top / folder / "pyproject.toml").write_text(f'[project]\nname = "{folder}"\n')
    (lab.top / "pyproject.toml").write_text(
        '[project]\nname = "me"\n[tool.uv.workspace]\nmembers = ["mem*"]\n'
        '[tool.uv.sources]\nb = { path = "beside" }\n'
    )
    lab.line = line
    settled = lab.build(lab.top / place)

    assert (settled.actor, settled.stage) == (Actor.PROJECT, Stage.BUILD)
    assert settled.identity.source == f"file://{os.path.realpath(lab.top / place)}"


def test_a_directory_nobody_named_is_package_code(lab: Lab) -> None:
    """A path that some requirement brought in."""
    (lab.top / "other").mkdir()

    assert _claimed(lab.build(lab.top / "other"))


def test_a_named_directory_reached_through_a_link_is_the_project_s(lab: Lab) -> None:
    """The user's own links are no attack."""
    (lab.top / "mine").mkdir()
    (lab.top / "link").symlink_to("mine")
    lab.line = "uv pip install ./link"

    assert lab.build(lab.top / "mine", said=lab.top / "link").actor is Actor.PROJECT


@pytest.mark.parametrize("trick", ["replaced", "written"])
def test_a_directory_that_package_code_changed_is_not_the_user_s(lab: Lab, trick: str) -> None:
    """What package code put in its place, or wrote into it, is judged as package code."""
    mine = lab.top / "mine"
    mine.mkdir()
    (mine / "setup.py").write_text("")
    lab.line = "uv pip install evil ./mine --default-index https://index.test/simple"
    lab.build(lab.source("evil", "1.0"))
    if trick == "replaced":
        mine.rename(lab.top / "gone")
        mine.mkdir()
    else:
        lab.wrote(mine / "setup.py")

    assert _claimed(lab.build(mine, room=".tmpBBBBBB"))


def test_the_archive_uv_build_unpacks_again_is_the_project_s(lab: Lab) -> None:
    """After the project's own hooks, and of no other command."""
    mine, again = lab.top / "mine", lab.cache / "sdists-v11/.tmpAbc012/mine-0.1"
    for folder in (mine, again):
        folder.mkdir(parents=True)
    lab.line = "uv build mine"

    assert _claimed(lab.build(again))
    assert lab.build(mine, room=".tmpBBBBBB").actor is Actor.PROJECT
    lab.memory.clear()
    assert lab.build(mine, room=".tmpBBBBBB").actor is Actor.PROJECT
    assert lab.build(again, room=".tmpCCCCCC").actor is Actor.PROJECT


def test_what_uv_is_not_known_to_start_is_package_code(lab: Lab) -> None:
    """No default trusts."""
    strange: Iterable[tuple[str, ...]] = (("sh", "-c", "id"), ("python", "x.py"), ("git", "push"))
    for argv in strange:
        settled = lab.judge(Stopped(77, argv, str(lab.top), f"/usr/bin/{argv[0]}", {}))
        assert (settled.actor, settled.identity.purl) == (Actor.PACKAGE, None), argv


def test_the_inner_uv_is_judged_by_its_own_words(lab: Lab) -> None:
    """`uv run uv pip install ./mine`: the directory was named to the inner one."""
    (lab.top / "mine").mkdir()
    lab.line = "uv run uv pip install ./mine"
    inner = Stopped(
        os.getppid(),
        ("uv", "pip", "install", "./mine"),
        str(lab.top),
        "/opt/uv",
        {"UV_RUN_RECURSION_DEPTH": "1"},
    )
    assert lab.judge(inner).actor is Actor.MANAGER

    inner = inner._replace(environment={**lab.manager.environment})
    hook = Stopped(
        77,
        (f"{lab.cache}/builds-v0/.tmpAAAAAA/bin/python", "-c", HOOK),
        f"{lab.top}/mine",
        "/usr/bin/python3",
        {},
    )
    context = Context(lab.manager, inner, lambda path: False, lab.memory)

    assert Uv().classify(hook, context).actor is Actor.PROJECT
