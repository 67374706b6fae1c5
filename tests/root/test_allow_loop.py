"""What a refusal prints is its own remedy: pasted, that act passes and no other (docs/policy.md section 3)."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.brokers import broker
from lab.guard import PRATIQUE, Outcome, guarded, run
from lab.ledger import exclusive, system_place
from lab.template import template
from lab.world import World

_PACKAGE = Path(__file__).parent / "packages" / "wish-list-1.0.0"
_SOCKET = Path("/run/docker.sock")
_PURL = "pkg:pypi/wish-list@1.0.0"


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing `wish-list` tries: the key and object of the stanza that permits it, and who can tell it was had."""

    key: str
    names: str
    had: Callable[[World], bool]


def _sent(word: str) -> Callable[[World], bool]:
    return lambda world: f"/{world.token}/{word}".encode() in world.sink.received()


def _kept(name: str, text: str) -> Callable[[World], bool]:
    return lambda world: text.replace("TOKEN", world.token) in _text(world.folder / "marks" / name)


def _took(name: str, decoy: str) -> Callable[[World], bool]:
    return lambda world: world.home.canaries[decoy] in _text(world.folder / "marks" / name)


def _planted(place: str) -> Callable[[World], bool]:
    return lambda world: f"planted-{world.token}" in _text(world.home.path(place))


_WISHES = {
    "read": Wish("read", "/.npmrc", _took("read", "~/.npmrc")),
    "read another": Wish("read", "/.netrc", _took("read_other", "~/.netrc")),
    "connect": Wish("connect", "SINK:8080", _sent("four")),
    "connect to IPv6": Wish("connect", "[SINK6]:8080", _sent("six")),
    "connect to another port": Wish("connect", "SINK:8443", _sent("port")),
    "write": Wish("write", "/.bashrc", _planted("~/.bashrc")),
    "create": Wish("write", "/.bash_login", _planted("~/.bash_login")),
    "exec": Wish("exec", "/setpriv", _kept("program", "setpriv")),
    "ipc": Wish("ipc", str(_SOCKET), _kept("broker", "201 Created")),
}


@dataclass(frozen=True, slots=True)
class Refused:
    """A run in which every wish was refused, and what `pratique report RUN --allow` printed of it."""

    world: World
    stanzas: str

    def stanza(self, wish: Wish) -> str:
        """Return the one stanza that names the object."""
        network = self.world.network
        named = wish.names.replace("SINK6", network.sink6).replace("SINK", network.sink)
        lines = [f"[[allow]]{part}" for part in self.stanzas.split("[[allow]]")[1:]]
        found = [part for part in lines if f'{named}"]' in part and f"\n{wish.key} = [" in part]
        assert len(found) == 1, f"{named}: {found} in {self.stanzas}"
        return found[0]


@pytest.fixture(scope="module")
def refused(guard: None) -> Iterator[Refused]:
    """One hostile install whose every act was refused, in a world that later installs share."""
    with (
        exclusive("system"),
        World([_PACKAGE]) as world,
        system_place(_SOCKET) as place,
        broker(place),
    ):
        outcome = _install(world)
        assert _had(world) == []
        assert outcome.status == 3, outcome.err
        assert outcome.report is not None
        said = _pratique(world, "report", outcome.report["run"]["id"], "--allow")
        yield Refused(world, said)


def test_positive_control(refused: Refused) -> None:
    """Without a guard every wish comes true."""
    world = refused.world
    _fresh(world)
    install = _command(world)
    run([str(template() / "bin" / install[0]), *install[1:]], world.environment(), world.folder)

    assert _had(world) == list(_WISHES)


@pytest.mark.parametrize("name", list(_WISHES))
def test_pasted_stanza_permits_that_act_alone(refused: Refused, name: str) -> None:
    """The stanza of one refusal, given by `--policy FILE`: this act passes, the others are refused as before."""
    world = refused.world
    policy = world.folder / "allow.toml"
    policy.write_text(refused.stanza(_WISHES[name]), encoding="utf-8")
    outcome = _install(world, "--policy", str(policy))

    assert _had(world) == [name]
    assert outcome.status == 3
    assert not [item for item in outcome.findings if item["allow"] in policy.read_text(encoding="utf-8")]
    assert {item["package"] for item in outcome.findings} == {_PURL}


def test_all_stanzas_together_leave_nothing_refused(refused: Refused) -> None:
    """Everything that `--allow` prints, pasted as printed: the install is clean."""
    policy = refused.world.folder / "allow.toml"
    policy.write_text(refused.stanzas, encoding="utf-8")
    outcome = _install(refused.world, "--policy", str(policy))

    assert [_short(item) for item in outcome.findings if item["action"] in ("denied", "killed")] == []
    assert _had(refused.world) == list(_WISHES)
    assert outcome.status == 0


def test_stanza_in_the_project_counts_once_trusted(refused: Refused) -> None:
    """In `pratique.toml`: not before `policy trust`, and said so; after it, yes; a change un-trusts it."""
    world = refused.world
    file = world.folder / "pratique.toml"
    file.write_text(refused.stanza(_WISHES["read"]), encoding="utf-8")
    try:
        before = _install(world)
        had_before = _had(world)
        _pratique(world, "policy", "trust")
        _install(world)
        had_trusted = _had(world)
        file.write_text(file.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
        _install(world)
    finally:
        file.unlink()

    assert had_before == []
    assert "pratique policy trust" in before.err
    assert had_trusted == ["read"]
    assert _had(world) == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("expires = 2020-01-31", "expired"),
        ('digest = "sha256-' + "0" * 64 + '"', "digest of something else"),
        ('stage = ["first-run"]', "another stage"),
        ('package = "pkg:pypi/wish-list@>=2"', "another version"),
        ('package = "pkg:npm/wish-list"', "another ecosystem"),
    ],
)
def test_stanza_that_does_not_fit_permits_nothing(refused: Refused, line: str, why: str) -> None:
    """An allow that has expired, or names another digest, stage or package, changes nothing."""
    lines = refused.stanza(_WISHES["read"]).splitlines()
    key = line.partition(" ")[0]
    policy = refused.world.folder / "allow.toml"
    kept = [old for old in lines if not old.startswith(f"{key} =")]
    policy.write_text("\n".join([*kept, line, ""]), encoding="utf-8")
    outcome = _install(refused.world, "--policy", str(policy))

    assert _had(refused.world) == [], why
    assert outcome.status == 3, outcome.err


def _command(world: World) -> list[str]:
    return world.install("-q", "--upgrade", "wish-list")


def _install(world: World, *options: str) -> Outcome:
    _fresh(world)
    report = world.folder / "report.json"
    report.unlink(missing_ok=True)
    outcome = run(guarded(_command(world), report, *options), world.environment(), world.folder, report)
    assert outcome.survivors == ()
    return outcome


def _fresh(world: World) -> None:
    world.sink.deliveries.clear()
    for mark in (world.folder / "marks").iterdir():
        mark.unlink()
    world.home.path("~/.bashrc").write_text("# ~/.bashrc of a decoy home\n", encoding="utf-8")
    world.home.path("~/.bash_login").unlink(missing_ok=True)


def _had(world: World) -> list[str]:
    return [name for name, wish in _WISHES.items() if wish.had(world)]


def _pratique(world: World, *words: str) -> str:
    done = subprocess.run(
        [str(PRATIQUE), *words],
        capture_output=True,
        text=True,
        env=world.environment(),
        cwd=world.folder,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _short(finding: dict[str, Any]) -> str:
    return f"{finding['act']} {finding['target']} {finding['action']}"
