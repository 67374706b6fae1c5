"""The parts by which npm's packages are told: hostile text in any of them raises no quality and no exception."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from pratique.managers.node import bins
from pratique.managers.node.arguments import Arguments
from pratique.managers.node.environment import digest_of, source_of
from pratique.managers.node.places import place_of, same_folder
from pratique.managers.node.project import read
from pratique.managers.node.purls import purl
from pratique.managers.node.registries import Registries, configured, public
from pratique.managers.npm import cache
from pratique.managers.npm.arguments import parse

DIGEST = "sha512-" + "A" * 86 + "=="
OWN, CORP, BUILT_IN = "https://mirror.test/npm/", "https://corp.test", "https://built-in.test/"
REGISTRIES = Registries(OWN, {"@corp": CORP}, BUILT_IN, "npmjs")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (f"{OWN}a/-/a-1.0.0.tgz", ("a", "1.0.0", f"{OWN}a/-/a-1.0.0.tgz")),
        (f"{OWN}@s/a/-/a-1.0.0-rc.1+x.tgz", ("@s/a", "1.0.0-rc.1+x", f"{OWN}@s/a/-/a-1.0.0-rc.1+x.tgz")),
        (f"{OWN}@s%2fa/-/a-1.0.0.tgz", ("@s/a", "1.0.0", f"{OWN}@s%2fa/-/a-1.0.0.tgz")),
        (f"{CORP}/@corp/a/-/a-1.0.0.tgz", ("@corp/a", "1.0.0", f"{CORP}/@corp/a/-/a-1.0.0.tgz")),
        (f"{BUILT_IN}a/-/a-1.0.0.tgz", ("a", "1.0.0", f"{OWN}a/-/a-1.0.0.tgz")),
        (f"{BUILT_IN}@corp/a/-/a-1.0.0.tgz", ("@corp/a", "1.0.0", f"{CORP}/@corp/a/-/a-1.0.0.tgz")),
        (f"{OWN}@corp/a/-/a-1.0.0.tgz", None),
        (f"{CORP}/a/-/a-1.0.0.tgz", None),
        (f"{OWN}a/-/b-1.0.0.tgz", None),
        (f"{OWN}x/../a/-/a-1.0.0.tgz", None),
        (f"{OWN}..a/-/..a-1.0.0.tgz", None),
        (f"{OWN}a/-/a-1.0.0.tgz?x", None),
        (f"{OWN}a/-/a-1.0.0.tgz#x", None),
        ("https://mirror.test.evil.test/npm/a/-/a-1.0.0.tgz", None),
        ("https://mirror.test/npmevil/a/-/a-1.0.0.tgz", None),
        ("https://evil.test/a/-/a-1.0.0.tgz", None),
        ("file:///a/-/a-1.0.0.tgz", None),
        ("", None),
    ],
)
def test_archives_of_the_registry_of_their_name(url: str, found: tuple[str, str, str] | None) -> None:
    """An archive counts in the registry that is configured for its own name, and by its plain path alone."""
    archive = REGISTRIES.tarball(url)

    assert (archive and (archive.name, archive.version, archive.url)) == found


def test_registries_are_npm_s_own_configuration(tmp_path: Path) -> None:
    """Scopes come from files, environment and command line; a file of package code's counts for nothing."""
    (tmp_path / ".npmrc").write_text("@a:registry = https://${WHO}.test/\n//x.test/:_authToken=1\n")
    said = {"npm_config_registry": OWN, "WHO": "one", "npm_config_@b:registry": "https://two.test/"}
    argv = ["node", "npm", "install", "--@c:registry=https://three.test/"]

    found = configured(said, argv, str(tmp_path), lambda path: False)
    assert [found.of(name) for name in ("@a/x", "@b/x", "@c/x", "x")] == [
        "https://one.test/",
        "https://two.test/",
        "https://three.test/",
        OWN,
    ]
    assert configured(said, argv, str(tmp_path), lambda path: True).of("@a/x") == OWN


def test_the_default_registry_is_asked_of_npm(tmp_path: Path) -> None:
    """What is no configuration is in npm's own definition of the option."""
    own = tmp_path / "npm" / "node_modules/@npmcli/config/lib/definitions"
    own.mkdir(parents=True)
    (own / "definitions.js").write_text(
        "  registry: new Definition('registry', {\n    default: 'https://own.test/',\n"
    )
    (tmp_path / "npm" / "bin").mkdir()
    said = {"npm_execpath": str(tmp_path / "npm" / "bin" / "npm-cli.js")}

    assert configured(said, [], None, lambda path: False).default == "https://own.test/"
    assert configured(said, [], None, lambda path: True).default is None


def _index(top: Path, *lines: dict[str, object], key: str = "") -> Path:
    name = hashlib.sha256(key.encode()).hexdigest()
    bucket = top / "_cacache" / "index-v5" / name[:2] / name[2:4] / name[4:]
    bucket.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.dumps(line) for line in lines]
    bucket.write_text(
        "".join(f"\n{hashlib.sha1(row.encode(), usedforsecurity=False).hexdigest()}\t{row}" for row in rows)
    )
    return bucket


def test_the_last_entry_of_the_cache_counts(tmp_path: Path) -> None:
    """An entry under the URL with that digest proves it; a later one, a removal or a broken one does not."""
    url = f"{OWN}a/-/a-1.0.0.tgz"
    key = f"make-fetch-happen:request-cache:{url}"
    good, other = {"key": key, "integrity": DIGEST}, {"key": key, "integrity": "sha512-x"}
    gone, alien = {"key": key, "integrity": None}, {"key": "other", "integrity": DIGEST}

    def served(*lines: dict[str, object]) -> bool:
        _index(tmp_path, *lines, key=key)
        return cache.served(str(tmp_path), url, DIGEST, lambda path: False)

    assert served(other, good)
    assert not served(good, other)
    assert not served(good, gone)
    assert not served(alien)
    bucket = _index(tmp_path, good, key=key)
    bucket.write_text(bucket.read_text().replace("\t{", "\t {"))
    assert not cache.served(str(tmp_path), url, DIGEST, lambda path: False)
    assert not cache.served(str(tmp_path / "none"), url, DIGEST, lambda path: False)


@given(st.binary(max_size=200))
def test_any_bytes_in_the_index_are_borne(data: bytes) -> None:
    """The index is a file that anybody of the account may have written."""
    for line in data.decode("utf-8", "surrogateescape").splitlines():
        assert cache._entry(line) == {}


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/p/node_modules/a", "a"),
        ("/p/node_modules/@s/a", "@s/a"),
        ("/p/node_modules/a/node_modules/b", "b"),
        ("/p/packages/w/node_modules/b", "b"),
        ("/p/node_modules/.store/a@1-x/node_modules/a", "a"),
        ("/p/node_modules/a/lib", None),
        ("/p/node_modules/@s", None),
        ("/p/node_modules/.bin", None),
        ("/p/node_modules", None),
        ("/q/node_modules/a", None),
        ("/p", None),
    ],
)
def test_places_are_a_package_s_own_folders(folder: str, name: str | None) -> None:
    """Only the folder itself, only below npm's tree."""
    place = place_of(folder, ["/p"])

    assert (place and place.name) == name
    assert place is None or place.folder == folder


def test_a_place_is_named_without_links_below_the_tree(tmp_path: Path) -> None:
    """Links above the tree's root are the user's; one inside it may be anybody's."""
    (tmp_path / "real" / "node_modules" / "evil").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "node_modules" / "good").symlink_to("evil")
    real = str((tmp_path / "real" / "node_modules" / "evil").resolve())

    assert same_folder(f"{tmp_path}/link/node_modules/evil", real, [f"{tmp_path}/link"])
    assert not same_folder(f"{tmp_path}/link/node_modules/good", real, [f"{tmp_path}/link"])
    assert not same_folder("/elsewhere/node_modules/evil", real, [f"{tmp_path}/link"])


def test_strong_digests_only() -> None:
    """Of several digests the sha512; sha1 proves nothing, nor does `null` as a source."""
    assert digest_of(f"sha1-abc= {DIGEST}") == DIGEST
    assert digest_of("sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=") is None
    assert digest_of("null") is None
    assert (source_of("null"), source_of(""), source_of("x")) == (None, None, "x")


@pytest.mark.parametrize(
    ("script", "name", "alone"),
    [
        ("'tool' a b", "tool", True),
        ("'to'\\''ol' a", "to'ol", True),
        ('"tool" a', "tool", False),
        ("tool a", "tool", True),
        ("tool; evil", "tool", False),
        ("tool $(evil)", "tool", False),
        ("$TOOL", None, False),
        ("", None, True),
    ],
)
def test_the_program_of_npm_exec(script: str, name: str | None, alone: bool) -> None:
    """As npm quotes it; a line of shell is no single program."""
    assert bins.program(script) == name
    assert bins.is_one_command(script) is alone


@pytest.mark.parametrize(
    "text", ["{", "[]", "null", '{"scripts": 1, "workspaces": 7}', '{"workspaces": [1, "!x", "/"]}']
)
def test_any_package_json_is_borne(tmp_path: Path, text: str) -> None:
    """The user's may be broken while npm runs."""
    (tmp_path / "package.json").write_text(text)

    found = read(str(tmp_path), Arguments("", (), ()), str(tmp_path), "")

    assert list(found.places) == [str(tmp_path.resolve())]


def test_workspaces_are_never_taken_out_of_node_modules(tmp_path: Path) -> None:
    """A pattern or a link that leads into a tree of packages makes none of them the user's."""
    (tmp_path / "package.json").write_text(
        json.dumps(
            {
                "workspaces": {"packages": ["**", "./node_modules/*", "link", ".", ""]},
                "dependencies": {"x": "file:node_modules/evil"},
            }
        )
    )
    for folder in ("node_modules/evil", "packages/a/b", "packages/a/node_modules/evil"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "package.json").write_text("{}")
    (tmp_path / "link").symlink_to("node_modules/evil")

    found = read(str(tmp_path), parse(("node", "npm", "i", "./node_modules/evil")), str(tmp_path), "")

    assert set(found.places) == {str(tmp_path.resolve()), str((tmp_path / "packages/a/b").resolve())}


@pytest.mark.parametrize(("pattern", "found"), [("../other", True), ("../**", False), ("../*", False)])
def test_workspaces_do_not_have_the_host_searched(tmp_path: Path, pattern: str, found: bool) -> None:
    """A neighbour that is named is a workspace; a pattern that leads out of the project is not followed."""
    mine, other = (tmp_path / name for name in ("mine", "other"))
    for folder in (mine, other):
        folder.mkdir()
        (folder / "package.json").write_text(json.dumps({"workspaces": [pattern]}))

    places = read(str(mine), parse(("node", "npm", "i")), str(mine), "").places

    assert set(places) == {str(mine.resolve()), *([str(other.resolve())] if found else [])}


@given(st.text(min_size=1, max_size=30), st.text(max_size=20))
def test_purls_can_be_read_again(name: str, version: str) -> None:
    """Whatever a package calls itself, what is written down is one purl."""
    made = purl(name, version or None, vcs_url="git+https://ann:pw@code.test/x#" + "a" * 40)

    assert "pw" not in made or "pw" in name + version
    assert made.isascii()
    if all(part.strip() for part in name.split("/")):
        assert PackageURL.from_string(made).type == "npm"


def test_urls_lose_their_secrets() -> None:
    """User info, query and fragment."""
    assert public("git+https://ann:pw@code.test/x?token=1#main") == "git+https://code.test/x"
    assert public("file:///a@b/c") == "file:///a@b/c"
