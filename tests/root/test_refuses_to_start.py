"""Fail closed: where the guard cannot be set up nothing starts, and one line says what is missing."""

import os
from pathlib import Path

import pytest

from lab.demands import demand
from lab.guard import Outcome, guarded, run
from lab.refusing import refusing
from lab.world import World

_LIBBPF = next(Path("/usr/lib").glob("*/libbpf.so.1"), Path("/usr/lib64/libbpf.so.1"))
_PROBES = Path(__file__).parents[2] / "probes" / "build"

_BROKEN = {
    "no BTF": ("mount -t tmpfs none /sys/kernel/btf", "BTF"),
    "no libbpf": (f"mount --bind /dev/null {_LIBBPF.resolve()}", "libbpf"),
    "no probes": (f"mkdir FOLDER/none && mount --bind FOLDER/none {_PROBES}", "probes"),
}


@pytest.mark.parametrize("what", list(_BROKEN))
def test_missing_part(guard: None, world: World, what: str) -> None:
    """With a part taken away (in a private mount namespace): 125, named in one line, nothing started."""
    breaking, word = _BROKEN[what]
    demand(None if what != "no probes" or _PROBES.is_dir() else "the probes are not those of a checkout")
    script = f"{breaking.replace('FOLDER', str(world.folder))} && exec {' '.join(_touching(world))}"
    outcome = run(["unshare", "-m", "sh", "-c", script], world.environment(), world.folder)

    _assert_not_started(outcome, world, word)


def test_no_cgroup_mounted(guard: None, world: World) -> None:
    """Where no version 2 control group is mounted, the guard holds all the same or does not start."""
    away = "umount -l $(awk '$3 == \"cgroup2\" {print $2}' /proc/mounts)"
    script = f"{away} && exec {' '.join(guarded(world.install('-q', 'poll-keeper')))}"
    outcome = run(["unshare", "-m", "sh", "-c", script], world.environment(), world.folder)

    assert outcome.status in (3, 125), outcome.err
    assert b"GET /user" not in world.sink.received()


@pytest.mark.parametrize("call", ["bpf", "fanotify_init"])
def test_refused_system_call(guard: None, world: World, call: str) -> None:
    """Where a needed system call is refused (as in containers): 125, named in one line, nothing started."""
    outcome = run(refusing(call, _touching(world)), world.environment(), world.folder)

    _assert_not_started(outcome, world, call.split("_", maxsplit=1)[0])


def test_not_root(guard: None, world: World) -> None:
    """An ordinary user is told that this backend needs root; nothing is started."""
    command = ["unshare", "--user", "--map-user=1000", *_touching(world)]
    outcome = run(command, world.environment(), world.folder)

    _assert_not_started(outcome, world, "root")


def test_root_without_capabilities(guard: None, world: World) -> None:
    """Root in name only (no capability left) is not enough, and is told so."""
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *_touching(world)]
    outcome = run(command, world.environment(), world.folder)

    _assert_not_started(outcome, world, "")


def test_pretending_to_be_inside_a_run_where_the_guard_cannot_be(guard: None, world: World) -> None:
    """In a container that refuses bpf(), an exported variable does not turn 125 into an unguarded start."""
    command = refusing("bpf", ["env", "PRATIQUE_RUN=01HZZZZZZZZZZZZZZZZZZZZZZZ", *_touching(world)])
    outcome = run(command, world.environment(), world.folder)

    _assert_not_started(outcome, world, "")


def test_unknown_backend_is_a_usage_error(guard: None, world: World) -> None:
    """A backend that does not exist is a mistake of the user: status 2, nothing started."""
    outcome = run(_touching(world, "--backend", "magic"), world.environment(), world.folder)

    assert outcome.status == 2
    assert not _started(world)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('[[allow]]\npackage = "pkg:pypi/x"\nreason = "r"\nconect = ["a:1"]\n', "pratique.toml:4"),
        ("[[allow]\n", "pratique.toml:1"),
        ('[[allow]]\npackage = "pkg:pypi/x"\nreason = "r"\nread = "~/.aws/**"\n', "pratique.toml:4"),
    ],
    ids=["unknown key", "not TOML", "wrong type"],
)
def test_wrong_policy_file(guard: None, world: World, text: str, hint: str) -> None:
    """A mistake in `pratique.toml` stops the run with the file and the line."""
    world.folder.joinpath("pratique.toml").write_text(text, encoding="utf-8")
    outcome = run(_touching(world), world.environment(), world.folder)

    assert outcome.status == 2
    assert hint in outcome.err
    assert not _started(world)


def test_report_is_never_written_through_a_link(guard: None, world: World) -> None:
    """A symbolic link where the report goes is refused before the start, and its target stays as it was."""
    target, link = world.folder / "target", world.folder / "report.json"
    target.write_text("mine", encoding="utf-8")
    link.symlink_to(target)
    command = guarded(["touch", str(_marker(world))], link)
    outcome = run(command, world.environment(), world.folder)

    assert outcome.status in (2, 125)
    assert target.read_text(encoding="utf-8") == "mine"
    assert not _started(world)


def test_report_in_a_missing_folder(guard: None, world: World) -> None:
    """A report that could never be written is found out before the command starts."""
    command = guarded(["touch", str(_marker(world))], world.folder / "none" / "report.json")
    outcome = run(command, world.environment(), world.folder)

    assert outcome.status in (2, 125)
    assert not _started(world)


def _touching(world: World, *options: str) -> list[str]:
    """Behind `hooks`, unless another is named: left to choose, `rootless` guards where `hooks` cannot."""
    return guarded(["touch", str(_marker(world))], None, *(options or ("--backend", "hooks")))


def _marker(world: World) -> Path:
    return world.folder / "started"


def _started(world: World) -> bool:
    return os.path.lexists(_marker(world))


def _assert_not_started(outcome: Outcome, world: World, word: str) -> None:
    assert outcome.status == 125, outcome.err
    assert len(outcome.err.strip().splitlines()) == 1, outcome.err
    assert word.lower() in outcome.err.lower()
    assert not _started(world)
    assert outcome.survivors == ()
