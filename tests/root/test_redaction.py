"""One secret in every place where code or a user may put it, and no output that holds it (docs/policy.md 7)."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.guard import PRATIQUE, Outcome, guarded, run
from lab.world import World

_PACKAGE = Path(__file__).parent / "packages" / "loose-lips-1.0.0"
_STATE = Path("/var/lib/pratique")


@dataclass(frozen=True, slots=True)
class Loose:
    """A finished run in which user and package handled the canary."""

    world: World
    outcome: Outcome
    trace: Path

    @property
    def canary(self) -> bytes:
        """The secret, unique to this run."""
        return f"canary{self.world.token}".encode()


@pytest.fixture(scope="module")
def loose(guard: None) -> Iterator[Loose]:
    """One guarded install: the canary is in the user's URL and environment, and in all the package starts."""
    with World([_PACKAGE]) as world:
        canary = f"canary{world.token}"
        report, trace = world.folder / "report.json", world.folder / "trace"
        extra = ["--extra-index-url", world.index.url.replace("://", f"://ann:{canary}@")]
        command = guarded([*world.install("loose-lips"), *extra], report, "--trace", str(trace))
        environment = world.environment() | {"TWINE_PASSWORD": canary}
        yield Loose(world, run(command, environment, world.folder, report), trace)


def test_positive_control(loose: Loose) -> None:
    """The canary was there to be told: the evidence shows where it stood, and the variable by name."""
    outcome = loose.outcome
    assert outcome.report is not None
    words = [
        word for process in outcome.report["tree"] for word in process["argv"] or () if "setpriv" not in word
    ]

    assert outcome.status == 3
    assert "TWINE_PASSWORD" in outcome.report["run"]["environment"]
    assert any(word.startswith("NPM_TOKEN=") for word in words)
    assert any("--password" in word for word in words)
    assert "ann:" not in " ".join(outcome.report["run"]["command"])


def test_terminal_and_report(loose: Loose) -> None:
    """Neither what is printed after the command nor the JSON holds it."""
    told = loose.outcome.err[loose.outcome.err.index("pratique  ") :]

    assert loose.canary.decode() not in told
    assert loose.canary not in (loose.world.folder / "report.json").read_bytes()


def test_trace_and_store(loose: Loose) -> None:
    """Neither the trace nor anything in the state directory holds it."""
    kept = [path for path in _STATE.rglob("*") if path.is_file()]

    assert loose.canary not in loose.trace.read_bytes()
    assert [path for path in kept if loose.canary in path.read_bytes()] == []
    assert kept


@pytest.mark.parametrize(
    "words", [("--format", "html"), ("--format", "json"), ("--format", "text"), ("--allow",)]
)
def test_what_is_shown_later(loose: Loose, words: tuple[str, ...]) -> None:
    """No format of `pratique report` shows it."""
    assert loose.outcome.report is not None
    said = _said("report", loose.outcome.report["run"]["id"], *words)

    assert b"loose-lips" in said
    assert loose.canary not in said


def test_replay(loose: Loose) -> None:
    """Replaying the trace does not show it, either."""
    said = _said("replay", str(loose.trace))

    assert b"loose-lips" in said
    assert loose.canary not in said


def _said(*words: str) -> bytes:
    done = subprocess.run([str(PRATIQUE), *words], capture_output=True, timeout=30, check=False)
    assert b"Traceback" not in done.stderr
    return done.stdout + done.stderr
