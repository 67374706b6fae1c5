"""What a package does to get another's name: with the real npm, and a positive control where npm falls for it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.registry import Registry, integrity, packed
from npm_house import SCRIPT, Lab, again, commit, lab_in, of, only, repository
from pratique.managers.base import Stopped
from pratique.words import Actor, Quality


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Everything one test needs."""
    yield from lab_in(tmp_path)


def test_a_package_that_calls_itself_another_is_what_was_fetched(lab: Lab) -> None:
    """Its package.json says esbuild; the registry gave it as evil."""
    lab.registry.archives["evil", "0.25.0"] = (
        {"name": "evil", "version": "0.25.0", "scripts": SCRIPT},
        packed({"name": "esbuild", "version": "0.25.0", "scripts": SCRIPT}),
    )

    settled = of(lab.npm("install", "evil"), "/evil")

    assert settled.identity.purl == "pkg:npm/evil@0.25.0"
    assert settled.identity.quality is Quality.VERIFIED


@pytest.mark.parametrize("spec", ["esbuild@file:../home/x.tgz", "evil@file:../home/x.tgz", "../home/x.tgz"])
def test_an_archive_by_path_is_claimed(lab: Lab, spec: str) -> None:
    """A renamed tarball proves nothing, whatever it is called and calls itself."""
    (lab.top / "home" / "x.tgz").write_bytes(
        packed({"name": "esbuild", "version": "0.25.0", "scripts": SCRIPT})
    )

    settled = only(lab.npm("install", spec))

    assert settled.identity.quality is Quality.CLAIMED
    assert settled.actor is Actor.PACKAGE


def test_an_archive_by_url_is_claimed_unless_it_is_the_registry_s(lab: Lab) -> None:
    """Another host may call its path what it likes."""
    lab.registry.add({"name": "esbuild", "version": "0.25.0", "scripts": SCRIPT})

    with Registry() as other:
        other.add({"name": "esbuild", "version": "0.25.0", "scripts": SCRIPT, "x": 1})
        settled = only(lab.npm("install", f"{other.url}esbuild/-/esbuild-0.25.0.tgz"))
        assert settled.identity.quality is Quality.CLAIMED
        assert settled.identity.digest is not None

    settled = only(lab.npm("install", f"{lab.registry.url}esbuild/-/esbuild-0.25.0.tgz"))
    assert settled.identity.quality is Quality.VERIFIED


def test_a_shrinkwrap_cannot_lend_a_name(lab: Lab) -> None:
    """A package's own npm-shrinkwrap.json lays its payload, known to the cache by digest, at esbuild's URL."""
    lab.registry.add({"name": "esbuild", "version": "0.25.0", "scripts": SCRIPT})
    payload = lab.registry.add({"name": "payload", "version": "1.0.0", "scripts": SCRIPT})
    lock = {
        "name": "evil",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "requires": True,
        "packages": {
            "": {"name": "evil", "version": "1.0.0", "dependencies": {"esbuild": "0.25.0"}},
            "node_modules/esbuild": {
                "version": "0.25.0",
                "resolved": f"{lab.registry.url}esbuild/-/esbuild-0.25.0.tgz",
                "integrity": integrity(payload),
                "hasInstallScript": True,
            },
        },
    }
    lab.registry.add(
        {
            "name": "evil",
            "version": "1.0.0",
            "dependencies": {"esbuild": "0.25.0"},
            "_hasShrinkwrap": True,
        },
        {"npm-shrinkwrap.json": json.dumps(lock)},
    )
    lab.npm("install", "payload")  # its digest is in the cache now

    tree = lab.npm("install", "evil")

    installed = lab.mine / "node_modules" / "evil" / "node_modules" / "esbuild" / "package.json"
    assert json.loads(installed.read_text())["name"] == "payload", "the positive control: npm was fooled"
    settled = of(tree, "/evil/node_modules/esbuild")
    assert settled.identity.quality is Quality.CLAIMED


def test_a_bundled_dependency_is_claimed(lab: Lab) -> None:
    """It came with its bundler: nobody else vouches for it, least of all the fields it brings."""
    inner = {
        "name": "esbuild",
        "version": "0.25.0",
        "scripts": SCRIPT,
        "_resolved": f"{lab.registry.url}esbuild/-/esbuild-0.25.0.tgz",
        "_integrity": integrity(lab.registry.add({"name": "esbuild", "version": "0.25.0"})),
    }
    lab.registry.add(
        {
            "name": "bundler",
            "version": "1.0.0",
            "bundleDependencies": ["esbuild"],
            "dependencies": {"esbuild": "0.25.0"},
        },
        {"node_modules/esbuild/package.json": json.dumps(inner)},
    )

    for words in (("install", "bundler"), ("rebuild",)):
        settled = of(lab.npm(*words), "/bundler/node_modules/esbuild")
        assert settled.identity.quality is Quality.CLAIMED
        assert "pkg:npm/bundler" in settled.identity.candidates
        assert settled.reason == "bundled in bundler"


def test_forged_variables_of_a_script_are_not_npm_s_words(lab: Lab) -> None:
    """What a script starts inherits package: it is never judged again, whatever its environment says."""
    forged = "npm_package_name=esbuild npm_lifecycle_event=postinstall sh -c 'sh -c true; git --version'"
    lab.registry.add({"name": "evil", "version": "1.0.0", "scripts": {"postinstall": forged}})

    tree = lab.npm("install", "evil")

    assert [settled.identity.purl for _, settled in tree.seen] == ["pkg:npm/evil@1.0.0"]


def test_a_script_put_into_the_project_is_no_script_of_the_user_s(lab: Lab) -> None:
    """A dependency adds `prepare` to the root's package.json; npm runs it, as package code."""
    edit = (
        "const f = process.env.INIT_CWD + '/package.json', m = JSON.parse(require('fs').readFileSync(f));"
        "m.scripts = {prepare: 'true # evil'}; require('fs').writeFileSync(f + '~', JSON.stringify(m));"
        "require('fs').renameSync(f + '~', f)"
    )
    lab.registry.add(
        {"name": "evil", "version": "1.0.0", "scripts": {"postinstall": "node edit.js"}}, {"edit.js": edit}
    )
    lab.project(dependencies={"evil": "1.0.0"}, scripts={"postprepare": "true"})

    tree = lab.npm("install")

    by_event = {child.environment["npm_lifecycle_event"]: settled for child, settled in tree.seen}
    assert by_event["prepare"].actor is Actor.PACKAGE
    assert by_event["prepare"].identity.purl is None
    assert by_event["postinstall"].identity.purl == "pkg:npm/evil@1.0.0"


def test_a_workspace_that_became_a_link_is_not_the_user_s(lab: Lab) -> None:
    """A link in the tree that leads into another package names nobody."""
    swap = (
        "const fs = require('fs'), at = process.env.INIT_CWD + '/node_modules/';"
        "fs.renameSync(at + 'good', at + 'gone'); fs.symlinkSync('evil', at + 'good')"
    )
    lab.registry.add(
        {"name": "evil", "version": "1.0.0", "scripts": {"preinstall": "node s.js"}}, {"s.js": swap}
    )
    lab.registry.add({"name": "good", "version": "1.0.0", "scripts": SCRIPT})

    tree = lab.npm("install", "evil", "good")

    posts = [s for c, s in tree.seen if c.environment["npm_lifecycle_event"] == "postinstall"]
    assert [settled.identity.quality for settled in posts] == [Quality.UNKNOWN]
    assert posts[0].identity.candidates == ("pkg:npm/good@1.0.0",)


@pytest.mark.parametrize(
    "change",
    [
        "fs.writeFileSync(at + 'good/index.js', 'evil')",
        "fs.writeFileSync(at + 'good/index.js', 'good'); fs.writeFileSync(at + 'good/lib.js', 'evil')",
        "fs.renameSync('index.js', at + 'good/index.js')",
        "fs.unlinkSync(at + 'good/index.js')",
        "fs.renameSync(at + 'good', at + 'old'); fs.renameSync(at + 'evil', at + 'good')",
        "fs.renameSync('deep', at + 'good/deep')",
        "fs.symlinkSync('/', at + 'good/extra')",
    ],
)
def test_changed_by_another_package_is_not_verified(lab: Lab, change: str) -> None:
    """Code put into a good package's folder does not get its name."""
    code = f"const fs = require('fs'), at = process.env.INIT_CWD + '/node_modules/'; {change}"
    lab.registry.add(
        {"name": "evil", "version": "1.0.0", "scripts": {"preinstall": "node s.js"}},
        {"s.js": code, "index.js": "evil", "deep/x.js": "evil"},
    )
    lab.registry.add({"name": "good", "version": "1.0.0", "scripts": SCRIPT}, {"index.js": "good"})

    tree = lab.npm("install", "evil", "good")

    posts = [s for c, s in tree.seen if c.environment["npm_lifecycle_event"] == "postinstall"]
    assert [settled.identity.quality for settled in posts] == [Quality.CLAIMED]


def test_a_cache_entry_of_package_code_proves_nothing(lab: Lab) -> None:
    """An index that package code wrote in this run is no word of npm's."""
    lab.registry.add({"name": "decoy", "version": "1.0.0", "scripts": SCRIPT})

    def taint(child: Stopped) -> None:
        index = lab.top / "home" / ".npm" / "_cacache" / "index-v5"
        lab.written |= {str(path) for path in index.rglob("*") if path.is_file()}

    settled = only(lab.npm("install", "decoy", at_exec=taint))

    assert settled.identity.quality is Quality.CLAIMED
    assert settled.identity.purl == "pkg:npm/decoy@1.0.0"


def test_a_repository_s_npmrc_cannot_lend_names(lab: Lab) -> None:
    """It may lead the nested npm, which obeys it, to another registry or through a proxy of its own."""
    lab.registry.add({"name": "need", "version": "1.0.0", "scripts": SCRIPT})
    needs = {"devDependencies": {"@x/need": "1.0.0"}, "scripts": {"prepare": "true"}}
    repository(lab, **needs)

    with Registry() as evil:
        evil.add({"name": "@x/need", "version": "1.0.0", "scripts": SCRIPT})
        (lab.top / "code" / ".npmrc").write_text(f"@x:registry={evil.url}\n")
        tree = lab.npm("install", again(lab), "need")

    assert "/@x/need" in "".join(evil.asked).replace("%2f", "/"), "the positive control: npm obeyed"
    for name in ("@x/need", "need"):
        found = [s for c, s in tree.of(Actor.PACKAGE) if c.cwd.endswith(f"/node_modules/{name}")]
        assert {settled.identity.quality for settled in found} == {Quality.CLAIMED}


def test_a_repository_cannot_load_code_into_the_next_npm(lab: Lab) -> None:
    """`node-options` in its .npmrc reaches the npm that prepares a git dependency of its own: no manager then."""
    repository(lab, dependencies={"inner": f"git+file://{lab.top}/inner"}, scripts={"prepare": "true"})
    lab.write("inner", {"name": "inner", "version": "1.0.0", "scripts": {"prepare": "true"}})
    commit(lab.top / "inner")
    marker = lab.top / "marker"
    (lab.top / "evil.js").write_text(
        f"if (process.argv[2] === 'install') require('fs').writeFileSync({str(marker)!r}, '')"
    )
    (lab.top / "code" / ".npmrc").write_text(f"node-options=--require {lab.top}/evil.js\n")

    tree = lab.npm("install", again(lab))

    npms = [
        (child, settled.actor) for child, settled in tree.seen if "npm-cli.js" in " ".join(child.argv[1:2])
    ]
    loaded = {actor for child, actor in npms if "evil" in child.environment.get("NODE_OPTIONS", "")}
    assert marker.exists(), "the positive control: it was loaded"
    assert loaded == {Actor.PACKAGE}
    assert Actor.MANAGER in {actor for _, actor in npms}
