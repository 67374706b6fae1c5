"""Sources, trust and cache: read once, compiled in a child, fast the second time, light always."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pratique.errors import ConfigError
from pratique.policy import cache, compile_child, sources, trust
from pratique.policy.sources import Request

_HEAVY = "typer rich pydantic yaml msgpack psutil packaging asyncio logging urllib.request http"


@pytest.fixture
def request_of(tmp_path: Path) -> Request:
    """A request by a person with an empty home, project and state."""
    for name in ("home", "project", "state", "etc"):
        (tmp_path / name).mkdir()
    return Request(
        home=str(tmp_path / "home"),
        project=str(tmp_path / "project"),
        state=str(tmp_path / "state"),
        system=str(tmp_path / "etc"),
    )


def test_a_second_load_comes_from_the_cache(request_of: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child compiles once; then nothing is started, until a file changes."""
    first = cache.load(request_of)
    monkeypatch.setattr(compile_child, "ask", lambda *_: pytest.fail("compiled again"))

    assert cache.load(request_of) == first
    (Path(request_of.system) / "a.toml").write_text('profile = "strict"\n')
    with pytest.raises(pytest.fail.Exception):
        cache.load(request_of)


def test_the_cache_is_its_owners_alone_and_may_break(request_of: Request) -> None:
    """0700 for the directory; a damaged file is compiled anew."""
    first = cache.load(request_of)
    (held,) = (Path(request_of.state) / "cache").glob("policy-*.json")
    held.write_text('{"format": 1}')

    assert held.parent.stat().st_mode & 0o777 == 0o700
    assert cache.load(request_of) == first


def test_an_unwritable_state_costs_only_time(request_of: Request) -> None:
    """Without a place for the cache, the policy is compiled and used."""
    Path(request_of.state or "").rmdir()
    Path(request_of.state or "").write_text("in the way")

    assert cache.load(request_of).profile == "standard"


def test_mistakes_come_back_from_the_child(request_of: Request) -> None:
    """File, line and hint survive the way through the child."""
    path = Path(request_of.project or "") / "pratique.toml"
    path.write_text('[[allow]]\npackage = "pkg:npm/x"\nreason = "r"\nconect = []\n')

    with pytest.raises(ConfigError) as caught:
        cache.load(request_of)

    assert str(caught.value) == f'{path}:4: unknown key "conect" in [[allow]]; did you mean "connect"?'


def test_expired_allows_are_noted_at_each_load(request_of: Request) -> None:
    """An allow that expires while cached is noted, though nothing is compiled again."""
    text = '[[allow]]\npackage = "pkg:npm/x"\nreason = "r"\nexpires = 2020-01-31\n'
    user = Path(request_of.home) / ".config" / "pratique" / "config.toml"
    user.parent.mkdir(parents=True)
    user.write_text(text)

    notes = [cache.load(request_of).notes for _ in range(2)]

    assert notes == [(f"{user}:1: this [[allow]] for pkg:npm/x expired on 2020-01-31",)] * 2


def test_trust_holds_for_one_content(request_of: Request) -> None:
    """A trusted project file may widen; one changed byte un-trusts it."""
    path = Path(request_of.project or "") / "pratique.toml"
    path.write_text('profile = "observe"\n')
    (text,) = (each for each in sources.gather(request_of) if each.kind == "project")
    trust.trust(Path(request_of.state or ""), text.path, text.digest)

    assert cache.load(request_of).profile == "observe"
    path.write_text('profile = "observe"\n\n')
    assert cache.load(request_of).profile == "standard"


@pytest.mark.parametrize("content", ["", "[]", "null", "{", "[" * 9000])
def test_a_broken_trust_file_trusts_nothing(tmp_path: Path, content: str) -> None:
    """What cannot be read is no trust, and no crash."""
    (tmp_path / "trusted.json").write_text(content)

    assert not trust.is_trusted(tmp_path, "/x", "sha256-0")


def test_unsafe_files_are_refused(tmp_path: Path) -> None:
    """Links, FIFOs, directories and files above 1 MiB are errors, not policies."""
    (tmp_path / "real").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "big").write_bytes(b"#" * (sources.LARGEST + 1))

    for name, why in (
        ("link", "symbolic link"),
        ("fifo", "no regular file"),
        (".", "no regular file"),
        ("big", "larger"),
    ):
        with pytest.raises(ConfigError, match=why):
            sources.read_once(str(tmp_path / name))
    with pytest.raises(FileNotFoundError):
        sources.read_once(str(tmp_path / "missing"))


def test_a_system_file_that_others_may_write_is_refused(request_of: Request) -> None:
    """Otherwise any user could write the machine's policy."""
    path = Path(request_of.system) / "a.toml"
    path.write_text("")
    path.chmod(0o666)

    with pytest.raises(ConfigError, match="others than root"):
        cache.load(request_of)


def test_search_order(request_of: Request, tmp_path: Path) -> None:
    """Shipped, system, collector, user, project, argument."""
    for path in (
        "etc/a.toml",
        "state/collector/b.toml",
        "home/.config/pratique/config.toml",
        "project/pratique.toml",
        "c.toml",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    request = Request(
        request_of.home,
        request_of.project,
        files=(str(tmp_path / "c.toml"),),
        state=request_of.state,
        system=request_of.system,
    )

    kinds = list(dict.fromkeys(text.kind for text in sources.gather(request)))

    assert kinds == ["shipped", "system", "collector", "user", "project", "argument"]


def test_a_cached_start_is_light_and_fast(request_of: Request) -> None:
    """Reading the cache and planning import nothing heavy; 10 ms of CPU are the aim, the bar is for any machine."""
    cache.load(request_of)
    program = (
        "import json, sys, time\n"
        "from pratique.policy import allows, cache, lower, places\n"
        "from pratique.policy.sources import Request\n"
        "request = Request(**json.loads(sys.argv[1]))\n"
        "start = time.process_time(); policy = cache.load(request); spent = time.process_time() - start\n"
        "lower.lower(policy); lower.file_plan(policy, [request.home], request.project)\n"
        f"print(json.dumps([spent, [name for name in {_HEAVY.split()} if name in sys.modules]]))\n"
    )
    fields = {name: getattr(request_of, name) for name in ("home", "project", "state", "system")}
    best = 1.0
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", program, json.dumps(fields)],
            capture_output=True,
            check=True,
            env={"PYTHONPATH": str(Path(cache.__file__).parents[2])},
        )
        spent, heavy = json.loads(done.stdout)
        best = min(best, spent)

    assert heavy == []
    assert best < 0.2


def test_the_project_directory_is_not_imported_from(
    request_of: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `yaml.py` beside the project must not run inside the guard's compiler."""
    project = Path(request_of.project or "")
    (project / "yaml.py").write_text("raise SystemExit('hijacked')\n")
    monkeypatch.chdir(project)
    monkeypatch.setenv("PYTHONPATH", str(project))

    assert cache.load(request_of).profile == "standard"


def test_old_policies_are_forgotten(tmp_path: Path) -> None:
    """The cache keeps the newest few."""
    for number in range(20):
        (tmp_path / f"policy-{number}.json").write_text("")
        os.utime(tmp_path / f"policy-{number}.json", (time.time() + number,) * 2)

    cache._forget_old(tmp_path)

    assert len(list(tmp_path.iterdir())) == cache._KEPT
    assert (tmp_path / "policy-19.json").exists()
