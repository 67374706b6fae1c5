"""The demonstration: one story in under a minute, every word of it measured while you watch.

From `tests/`: `python -m lab.demo`. Everything "remote" is a network namespace of this process, or loopback where
nobody is root; every secret is a decoy; nothing leaves the machine but an ordinary `pip install` of one real
package, if an index answers.
"""

import json
import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from lab.demands import guard_missing, lab_missing
from lab.guard import PRATIQUE, Outcome, guarded, run
from lab.template import template
from lab.world import World

_SCENARIOS = Path(__file__).parents[1] / "scenarios"
_SOURCES = [
    _SCENARIOS / "PULL" / "web-kit-2.1.0",
    _SCENARIOS / "PULL" / "left-pad-ish-1.0.2",
    _SCENARIOS / "T-build" / "plain-text-1.1.0",
]
_REAL, _LOCAL, _HOSTILE = "docopt", "plain-text", "web-kit"
_KEPT = Path(__file__).parents[2] / ".cache" / "demo"
_LEVELS = {
    "enforced": "an ordinary error",
    "killed-before": "stopped before the act",
    "killed-after": "author dead, act done",
    "seen": "recorded",
    "blind": "not seen",
}
_SECRET, _PLANTED = "~/.ssh/id_ed25519", "~/.profile"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the story is told, and where it happens."""

    console: Console
    world: World

    def chapter(self, number: int, title: str) -> None:
        """Begin the next part of the story."""
        self.console.print(Text(f"\n{number}  {title}", style="bold"))

    def say(self, text: str, style: str = "") -> None:
        """Tell one thing; the text is never taken for markup."""
        self.console.print(Text(f"   {text}", style=style), soft_wrap=True)

    def show(self, command: Sequence[str], outcome: Outcome, quiet: bool = False) -> None:
        """Show a command as typed, what it printed, and what it returned."""
        self.say(f"$ {shlex.join(command)}", "cyan")
        said = outcome.err if quiet else outcome.out + outcome.err
        for line in said.rstrip().splitlines():
            self.console.print(Text(f"   {line}"), soft_wrap=True)
        self.say(f"exit status {outcome.status}", "dim")

    def play(self, command: Sequence[str], environment: Mapping[str, str]) -> Outcome:
        """Run a command line as the person in the story would."""
        return run(command, environment, self.world.folder)


def main() -> int:
    """Tell the story; 0 when every part of it came out as told."""
    console = Console(highlight=False, emoji=False)
    if reason := (lab_missing() if os.geteuid() == 0 else None) or guard_missing():
        console.print(Text(f"The demonstration cannot run here: {reason}"), soft_wrap=True)
        return 1
    began = time.monotonic()
    with World(_SOURCES) as world:
        stage = Stage(console, world)
        told = [_doctor(stage), _clean(stage), _blocked(stage), _control(stage)]
        _next(stage, time.monotonic() - began)
    return 0 if all(told) else 1


def _doctor(stage: Stage) -> bool:
    stage.chapter(1, "What this host can enforce")
    outcome = stage.play([str(PRATIQUE), "doctor", "--json"], _lab_pip(stage.world))
    if outcome.status != 0:
        stage.show(["pratique", "doctor"], outcome)
        return False
    told = json.loads(outcome.out)
    rows = told["coverage"]
    stage.say(
        f"kernel {told['kernel']}, backend {told['backend']}: {len(rows)} kinds of act, each tried in a child"
    )
    for level, meaning in _LEVELS.items():
        acts = [row for row in rows if row["level"] == level]
        named = ", ".join(dict.fromkeys(row["act"] for row in acts))
        stage.say(f"{len(acts):3} {level:14} {meaning}: {named}" if acts else f"  0 {level:14} {meaning}")
    return bool(told["guarded"])


def _clean(stage: Stage) -> bool:
    stage.chapter(2, "A real package, built from source: it installs as ever")
    install = ["pip", "install", "-q", "--no-binary", _REAL, _REAL]
    environment = _host_pip(stage.world)
    bare = stage.play(_unguarded(install), environment)
    if bare.status != 0:
        stage.say("No package index answers from here: a local package stands in.")
        install = ["pip", "install", "-q", _LOCAL]
        environment = _lab_pip(stage.world) | {"PIP_TARGET": str(stage.world.folder / "real")}
        bare = stage.play(_unguarded(install), environment)
    outcome = stage.play(guarded(install), environment | {"PIP_TARGET": str(stage.world.folder / "guarded")})
    stage.show(["pratique", "run", "--", *install], outcome)
    stage.say(f"{outcome.seconds:.1f} s with the guard, {bare.seconds:.1f} s without it just before")
    return outcome.status == 0


def _blocked(stage: Stage) -> bool:
    stage.chapter(3, "A replica: a dependency nobody named steals, phones home, plants itself")
    report = _new_report()
    install = ["pip", "install", "-q", _HOSTILE]
    outcome = stage.play(guarded(install, report), _lab_pip(stage.world))
    stage.show(["pratique", "run", "--", *install], outcome)
    stage.say("3 means: the install itself went well, and something in it was refused.")
    _witness(stage)
    return outcome.status == 3 and not stage.world.leaks()


def _control(stage: Stage) -> bool:
    stage.chapter(4, "The same install without the guard, in the lab: the theft is real")
    install = ["pip", "install", "-q", "--upgrade", _HOSTILE]
    outcome = stage.play(_unguarded(install), _lab_pip(stage.world))
    stage.show(install, outcome)
    _witness(stage)
    return outcome.status == 0 and stage.world.leaks() == [_SECRET]


def _witness(stage: Stage) -> None:
    stolen = stage.world.leaks()
    planted = "planted" in stage.world.home.path(_PLANTED).read_text(encoding="utf-8")
    stage.say(
        f"attacker's server   {'HAS ' + ', '.join(stolen) if stolen else 'received no secret'}", _tone(stolen)
    )
    stage.say(f"{_PLANTED:19} {'HAS a planted line' if planted else 'unchanged'}", _tone(planted))


def _next(stage: Stage, seconds: float) -> None:
    stage.chapter(5, "Where to go from here")
    stage.say(f"the report          {os.path.relpath(_report())}")
    stage.say("look at it          pratique report --last")
    stage.say("allow what it lists pratique report --last --allow")
    stage.say("guard your own      pratique run -- pip install …")
    stage.say("see what is covered pratique doctor")
    stage.say(f"told in {seconds:.0f} s", "dim")


def _unguarded(install: Sequence[str]) -> list[str]:
    return [str(template() / "bin" / install[0]), *install[1:]]


def _lab_pip(world: World) -> dict[str, str]:
    index = {"PIP_INDEX_URL": world.index.url, "PIP_TRUSTED_HOST": world.index.host}
    return world.environment() | index | {"PIP_TARGET": str(world.site)}


def _host_pip(world: World) -> dict[str, str]:
    # How the registry is reached is the host's business: proxy and pip settings stay as they are.
    kept = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}
    kept |= {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
    own = {key: value for key, value in world.environment().items() if key != "PIP_CONFIG_FILE"}
    return kept | own | {"PIP_TARGET": str(world.folder / "real")}


def _new_report() -> Path:
    _KEPT.mkdir(parents=True, exist_ok=True)
    _report().unlink(missing_ok=True)
    return _report()


def _report() -> Path:
    return _KEPT / "report.json"


def _tone(bad: object) -> str:
    return "red" if bad else "green"


if __name__ == "__main__":
    sys.exit(main())
