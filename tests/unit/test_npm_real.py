"""The real npm installs made-up packages from a registry on loopback; each exec is judged as by the agent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.registry import Registry, integrity
from npm_house import NPX, SCRIPT, Lab, again, lab_in, of, only, repository
from pip_tracer import trace
from pratique.words import Actor, Quality, Stage


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Everything one test needs."""
    yield from lab_in(tmp_path)


@pytest.mark.parametrize("omit", ["true", "false"])
def test_a_registry_package_is_verified(lab: Lab, omit: str) -> None:
    """Installed by name, from a lock file with or without `resolved`, and rebuilt: the same package."""
    archive = lab.registry.add({"name": "@s/decoy", "version": "1.2.0-rc.1", "scripts": SCRIPT})
    lab.registry.add({"name": "top", "version": "1.0.0", "dependencies": {"@s/decoy": "1.2.0-rc.1"}})

    for words in (("install", "top"), ("ci",), ("rebuild",)):
        settled = only(lab.npm(*words, npm_config_omit_lockfile_registry_resolved=omit))
        assert settled.identity.quality is Quality.VERIFIED, settled.reason
        assert settled.identity.purl == "pkg:npm/%40s/decoy@1.2.0-rc.1"
        assert settled.identity.digest == integrity(archive)
        assert settled.identity.source == f"{lab.registry.url}@s/decoy/-/decoy-1.2.0-rc.1.tgz"
        assert settled.identity.direct is False
        assert (settled.stage, settled.new_origin) == (Stage.SCRIPT, True)


def test_a_binding_gyp_is_a_build(lab: Lab) -> None:
    """Npm runs node-gyp for it though the package has no script."""
    lab.registry.add({"name": "decoy", "version": "1.0.0"}, {"binding.gyp": "not gyp"})

    settled = only(lab.npm("install", "decoy"))

    assert settled.stage is Stage.BUILD
    assert settled.identity.purl == "pkg:npm/decoy@1.0.0"
    assert settled.identity.quality is Quality.VERIFIED
    assert settled.identity.direct is True


def test_an_alias_is_what_it_stands_for(lab: Lab) -> None:
    """`good@npm:evil` is evil, whatever its place is called."""
    lab.registry.add({"name": "evil", "version": "3.0.0", "scripts": SCRIPT})

    for words in (("install", "good@npm:evil@3.0.0"), ("ci",)):
        settled = only(lab.npm(*words, npm_config_omit_lockfile_registry_resolved="true"))
        assert settled.identity.purl == "pkg:npm/evil@3.0.0"
        assert settled.identity.quality is Quality.VERIFIED
        assert settled.identity.direct is True


@pytest.mark.parametrize(
    ("listed", "approved"),
    [
        (None, None),
        ({"decoy": True}, True),
        ({"decoy@1.0.0": True}, True),
        ({"decoy": False}, False),
        ({}, False),
    ],
)
def test_the_project_s_own_list_is_read(
    lab: Lab, listed: dict[str, bool] | None, approved: bool | None
) -> None:
    """Npm 11 only warns of a script that `allowScripts` does not let run: that it ran is known all the same."""
    lab.project(**({} if listed is None else {"allowScripts": listed}))
    lab.registry.add({"name": "decoy", "version": "1.0.0", "scripts": SCRIPT})

    tree = lab.npm("install", "decoy")

    assert [settled.approved for _, settled in tree.of(Actor.PACKAGE)] in ([approved], [])
    assert tree.of(Actor.PACKAGE) or approved is False


def test_own_scripts_are_the_project_s(lab: Lab) -> None:
    """Root, workspaces and directories the user depends on are first-party, an implied build included."""
    lab.project(workspaces=["packages/*"], dependencies={"side": "file:../side"}, scripts={"prepare": "true"})
    lab.write("mine/packages/a", {"name": "a", "version": "1.0.0", "scripts": SCRIPT})
    lab.write("side", {"name": "side", "version": "1.0.0", "scripts": {"install": "true"}})
    lab.write("named", {"name": "named", "version": "1.0.0", "scripts": SCRIPT})

    tree = lab.npm("install")
    assert {child.cwd for child, _ in tree.of(Actor.PROJECT)} == {
        str(lab.mine),
        str(lab.mine / "packages" / "a"),
        str(lab.top / "side"),
    }
    assert tree.of(Actor.PACKAGE) == []

    tree = lab.npm("install", "../named")
    assert of(tree, "/named").actor is Actor.PROJECT


def test_untouched_beside_other_scripts_is_verified(lab: Lab) -> None:
    """Parallel scripts, and bin links that npm makes executable between them, cost nobody the proof."""
    for name in ("one", "two", "three"):
        scripts = {"preinstall": "true", "postinstall": "true"}
        lab.registry.add(
            {"name": name, "version": "1.0.0", "scripts": scripts, "bin": {name: "cli.js"}},
            {"cli.js": "#!/usr/bin/env node\n", "lib/a.js": "1"},
        )

    tree = lab.npm("install", "one", "two", "three")

    assert len(tree.of(Actor.PACKAGE)) == 6
    assert {settled.identity.quality for _, settled in tree.seen} == {Quality.VERIFIED}


def test_a_scope_has_its_own_registry(lab: Lab) -> None:
    """A scoped name is verified from its scope's registry, and from no other."""
    with Registry() as corp:
        corp.add({"name": "@corp/x", "version": "1.0.0", "scripts": SCRIPT})
        lab.registry.add({"name": "@corp/x", "version": "9.0.0", "scripts": SCRIPT})
        (lab.mine / ".npmrc").write_text(f"@corp:registry={corp.url}\n")

        settled = only(lab.npm("install", "@corp/x"))
        assert settled.identity.purl == "pkg:npm/%40corp/x@1.0.0"
        assert settled.identity.quality is Quality.VERIFIED

        settled = only(lab.npm("install", f"{lab.registry.url}@corp/x/-/x-9.0.0.tgz"))
        assert settled.identity.quality is Quality.CLAIMED


def test_a_git_dependency_is_where_it_came_from(lab: Lab) -> None:
    """It names itself esbuild: that is a claim; `prepare` and its own scripts are package, git is a helper."""
    url = repository(lab, scripts={"prepare": "true", "postinstall": "true"})

    tree = lab.npm("install", url)

    assert tree.status == 0
    assert len(tree.of(Actor.MANAGER)) == 1
    assert {child.argv[0].rpartition("/")[2] for child, _ in tree.of(Actor.HELPER)} >= {"git", "sh"}
    for child, settled in tree.of(Actor.PACKAGE):
        assert settled.identity.quality is Quality.CLAIMED, child.argv
        assert "?vcs_url=git%2Bfile://" in (settled.identity.purl or "")
        assert settled.identity.source == url
    assert tree.of(Actor.PROJECT) == []


def test_what_a_git_dependency_needs_has_its_own_identity(lab: Lab) -> None:
    """The nested npm resolves from the user's registry, never from one that the repository's .npmrc names."""
    lab.registry.add({"name": "need", "version": "1.0.0", "scripts": SCRIPT})
    needs = {"devDependencies": {"need": "1.0.0"}, "scripts": {"prepare": "true"}}
    tree = lab.npm("install", repository(lab, **needs))
    found = [s for c, s in tree.of(Actor.PACKAGE) if c.cwd.endswith("/node_modules/need")]
    assert [settled.identity.quality for settled in found] == [Quality.VERIFIED]

    (lab.top / "code" / ".npmrc").write_text("; ours\nengine-strict=true\n")
    tree = lab.npm("install", again(lab))
    found = [s for c, s in tree.of(Actor.PACKAGE) if c.cwd.endswith("/node_modules/need")]
    assert [settled.identity.quality for settled in found] == [Quality.VERIFIED]


def test_git_stays_a_helper_where_npx_ran_something(lab: Lab) -> None:
    """A first run in the user's folder does not make that folder a package's."""
    lab.registry.add(
        {"name": "tool", "version": "1.0.0", "bin": "cli.js"}, {"cli.js": "#!/usr/bin/env node\n"}
    )
    url = repository(lab)
    script = f"npx -y tool; npm install {url}"

    tree = trace(["/bin/sh", "-c", script], lab.mine, lab.environment())

    assert [settled.stage for _, settled in tree.of(Actor.PACKAGE)] == [Stage.FIRST_RUN]
    assert len(tree.of(Actor.HELPER)) > 5


def test_npx_installs_as_manager_and_runs_as_the_package(lab: Lab) -> None:
    """The program's package is found by its path; npm_package_name is the user's own project then."""
    lab.registry.add({"name": "dep", "version": "1.0.0", "scripts": SCRIPT})
    lab.registry.add(
        {"name": "tool", "version": "2.0.0", "bin": {"tool-bin": "cli.js"}, "dependencies": {"dep": "1"}},
        {"cli.js": "#!/usr/bin/env node\n"},
    )
    words = [("-y", "tool", "a", "--package", "b"), ("-y", "-p", "tool", "-c", "tool-bin 'x'")]

    for each in words:
        tree = lab.npm(*each, program=NPX)
        assert tree.status == 0
        last = tree.of(Actor.PACKAGE)[-1][1]
        assert last.stage is Stage.FIRST_RUN
        if "-c" not in each:
            assert last.identity.purl == "pkg:npm/tool@2.0.0"
            assert last.identity.quality is Quality.VERIFIED
            assert last.identity.direct is True
        else:
            assert last.identity.purl is None, "a line of shell is nobody's in particular"
    lab.npm("install", "tool")
    tree = lab.npm("exec", "tool-bin")
    assert only(tree).identity.purl == "pkg:npm/tool@2.0.0"


def test_a_global_install_has_no_project(lab: Lab) -> None:
    """Under the global prefix everything is a package."""
    lab.registry.add({"name": "decoy", "version": "1.0.0", "scripts": SCRIPT})

    settled = only(lab.npm("install", "-g", "decoy", "--prefix", str(lab.top / "shared")))

    assert settled.identity.quality is Quality.VERIFIED
