"""A run: events in, origins settled, findings and counts out."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pratique.model import Kind, Settlement
from pratique.runs import attribution, ulid
from pratique.runs.attribution import Origin
from pratique.runs.run import Run, Settled
from pratique.words import Act, Action, Actor, Level, Quality, Stage
from unit import runs_sample as sample


@pytest.fixture
def stopped() -> Iterator[int]:
    """A real process that is stopped, as a pending exec is."""
    process = subprocess.Popen(["sleep", "600"], env={"npm_package_name": "left-padder"})
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.05)
    yield process.pid
    process.kill()
    process.wait()


def npm(run: Run) -> None:
    """A recognised npm, whose pid is ours."""
    run.add(sample.execed(os.getpid(), 1, ["node", "/usr/bin/npm", "install", "web-kit"], Actor.MANAGER))


def pending(run: Run, pid: int) -> tuple[object, int]:
    """Add and settle the exec of a child of npm."""
    event = sample.execed(pid, os.getpid(), ["sleep", "600"], pending=True, stage=Stage.RESOLVE)
    run.add(sample.event(Kind.FORK, pid, os.getpid(), Actor.MANAGER))
    run.add(event)
    return run.settle(event)


def test_a_stopped_process_is_read(stopped: int) -> None:
    """argv, cwd, exe and environment are those of the process itself."""
    found = attribution.read_stopped(stopped)

    assert found.argv == ("sleep", "600")
    assert found.cwd == str(Path.cwd())
    assert found.environment["npm_package_name"] == "left-padder"


def test_settle_asks_the_managers_module(stopped: int) -> None:
    """The child of a recognised npm is judged by npm's module and becomes an origin with a number."""
    run = sample.run()
    npm(run)

    settlement, number = pending(run, stopped)

    assert settlement.actor is Actor.PACKAGE
    assert settlement.identity.purl == "600"
    assert number == 1
    origin = run.summary().origins[1]
    assert (origin.manager, origin.requested) == ("npm", ("web-kit",))


def test_origins_are_numbered_in_turn(stopped: int) -> None:
    """Each begin of package code has its own number."""
    run = sample.run()
    npm(run)

    assert [pending(run, stopped)[1] for _ in range(3)] == [1, 2, 3]


def test_what_cannot_be_read_is_unknown_package_code() -> None:
    """A process that is gone settles as package code of unknown identity."""
    run = sample.run()
    npm(run)
    gone = subprocess.Popen(["true"])
    gone.wait()

    settlement, number = pending(run, gone.pid)

    assert (settlement.actor, settlement.identity.quality, number) == (Actor.PACKAGE, Quality.UNKNOWN, 1)
    assert "could not be read" in settlement.reason


def test_without_a_manager_it_is_unknown_package_code(stopped: int) -> None:
    """Nothing above it in the tree vouches for it."""
    run = sample.run()

    settlement, _ = pending(run, stopped)

    assert (settlement.actor, settlement.identity.quality) == (Actor.PACKAGE, Quality.UNKNOWN)


def test_a_module_that_fails_lets_nothing_run_unjudged(stopped: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect on hostile names fails closed."""
    monkeypatch.setattr(sample.Npm, "classify", lambda *_: 1 / 0)
    run = sample.run()
    npm(run)

    settlement, number = pending(run, stopped)

    assert (settlement.actor, settlement.stage, number) == (Actor.PACKAGE, Stage.BUILD, 1)
    assert "ZeroDivisionError" in settlement.reason


def test_a_manager_that_executes_again_is_its_own_parent(stopped: int) -> None:
    """`env` then `node`: the second exec of one pid is judged by the first image's manager."""
    run = sample.run()
    run.add(sample.execed(stopped, 1, ["node", "npm", "ci"], Actor.MANAGER))
    event = sample.execed(stopped, 1, ["sleep", "600"], pending=True)
    run.add(event)

    assert run.settle(event)[0].identity.quality is Quality.CLAIMED


def test_one_finding_per_rule_act_target_and_origin() -> None:
    """Repeats are counted; another target or origin is another finding; the strongest action is kept."""
    run = sample.started(sample.run())
    for action in (Action.AUDIT, Action.DENY, Action.DENY):
        run.add(sample.acted(4121, Act.FILE_READ, action, {"path": "/a"}, rule="read-secrets"))
    run.add(sample.acted(4121, Act.FILE_READ, Action.DENY, {"path": "/b"}, rule="read-secrets"))
    run.add(sample.acted(4121, Act.FILE_READ, Action.DENY, {"path": "/a"}, rule="read-secrets", origin=2))

    found = run.summary().findings

    assert [(each.target["path"], each.origin, each.times) for each in found] == [
        ("/a", 1, 3),
        ("/b", 1, 1),
        ("/a", 2, 1),
    ]
    assert found[0].action is Action.DENY


@pytest.mark.parametrize(
    ("second", "count"),
    [
        ({"time": 2000.001, "errno": 1}, 1),
        ({"time": 2000.5, "errno": 1}, 2),
        ({"time": 2000.001}, 2),
        ({"time": 2000.001, "errno": 1, "pid": 4120}, 2),
    ],
    ids=["its own error", "later", "answered again", "of another process"],
)
def test_the_error_of_a_refusal_is_no_second_try(second: dict[str, Any], count: int) -> None:
    """An open that is answered with a refusal and then seen to fail was tried once; anything else counts."""
    run = sample.started(sample.run())
    path = f"{sample.HOME}/.bashrc"
    run.add(
        sample.acted(4121, Act.FILE_WRITE, Action.DENY, {"path": path}, rule="shell-start-up", time=2000.0)
    )
    error = {"errno": second["errno"]} if "errno" in second else {}
    target, rule = {"path": path, **error}, None if error else "shell-start-up"
    pid = second.get("pid", 4121)
    run.add(sample.acted(pid, Act.FILE_WRITE, Action.DENY, target, rule=rule, time=second["time"]))

    assert [each.times for each in run.summary().findings] == [count]


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (f"{sample.HOME}/.bashrc", "shell-start-up"),
        ("../../../.bashrc", "shell-start-up"),
        (f"{sample.HOME}/.bashrc.d/x", None),
        ("/etc/shadow", None),
        ("dist/out.js", None),
        ("", None),
    ],
)
def test_static_refusals_find_their_rule_or_are_dropped(path: str, rule: str | None) -> None:
    """A bare EACCES counts only where a rule speaks of the place; relative paths are the process's own."""
    run = sample.started(sample.run())
    run.add(sample.acted(4121, Act.FILE_WRITE, Action.DENY, {"path": path, "errno": 13}))

    found = run.summary().findings

    assert [each.rule for each in found] == ([rule] if rule else [])
    assert all(each.target["path"] == f"{sample.HOME}/.bashrc" for each in found)


@pytest.mark.parametrize(
    ("mode", "action", "errno", "done", "would"),
    [
        ("enforce", Action.DENY, 13, Action.DENY, None),
        ("enforce", Action.AUDIT, 30, Action.DENY, None),
        ("enforce", Action.AUDIT, 13, Action.AUDIT, None),
        ("audit", Action.DENY, 13, Action.AUDIT, Action.DENY),
    ],
)
def test_static_refusals_keep_to_rule_and_mode(
    mode: str, action: Action, errno: int, done: Action, would: Action | None
) -> None:
    """An ordinary EACCES is a refusal of ours only where a rule denies; a read-only bind always is; audit never."""
    rule = sample.rule("shell-start-up", Act.FILE_WRITE, "persistence.shell", action)
    run = sample.started(sample.run(policy=sample.policy(rule, mode=mode)))
    run.add(
        sample.acted(4121, Act.FILE_WRITE, Action.DENY, {"path": f"{sample.HOME}/.bashrc", "errno": errno})
    )

    assert [(each.action, each.would) for each in run.summary().findings] == [(done, would)]


def test_survivors_are_seen_by_rules() -> None:
    """A process that outlives the run is an event of its own kind, with the program it runs."""
    rule = sample.Rule("survivor", "t", "low", "e", detect={"kind": "survivor", "actor": "package"})
    run = sample.started(sample.run(policy=sample.policy(rule)))
    run.survivors([4121, 4101, 99999])

    found = run.summary().findings

    assert [(each.rule, each.action, each.target["pid"]) for each in found] == [
        ("survivor", Action.AUDIT, 4121)
    ]


@pytest.mark.parametrize(("approved", "rules"), [(False, ["unapproved"]), (True, []), (None, [])])
def test_a_script_without_approval_is_seen_by_rules(approved: bool | None, rules: list[str]) -> None:
    """Once, when it begins; where the project keeps no list, or has the package on it, there is nothing to say."""
    rule = sample.Rule("unapproved", "t", "low", "e", detect={"kind": "unapproved", "actor": "package"})
    run = sample.started(sample.run(policy=sample.policy(rule)))
    settlement = Settlement(Actor.PACKAGE, Stage.SCRIPT, new_origin=True, approved=approved)
    origin = Origin(7, 4121, ("sh",), "/", "npm", settlement)

    run.settled([origin], Settled(4121, Actor.PACKAGE, Stage.SCRIPT, 7, "npm"))

    assert [each.rule for each in run.summary().findings] == rules


@pytest.mark.parametrize("is_replay", [False, True])
def test_code_inside_a_manager_is_seen_by_rules(tmp_path: Path, is_replay: bool) -> None:
    """The file that brings it is named; a replay asks nothing of the host it runs on."""
    rule = sample.Rule("mixed", "t", "low", "e", detect={"kind": "mixed", "actor": "manager"})
    given = sample.run(policy=sample.policy(rule), **({"hosts": ()} if is_replay else {}))
    (tmp_path / ".hooks").touch()

    given.started(4100)
    argv = ["node", "/usr/bin/npm", "install", "web-kit"]
    given.add(sample.execed(4100, 1, argv, actor=Actor.MANAGER, cwd=str(tmp_path)))

    found = [(each.rule, each.target["path"]) for each in given.summary().findings]
    assert found == ([] if is_replay else [("mixed", str(tmp_path / ".hooks"))])


def test_refusals_of_trusted_actors_are_no_findings() -> None:
    """The manager's own EACCES on the same place draws no rule."""
    run = sample.started(sample.run())
    event = sample.event(
        Kind.ACT,
        4101,
        1,
        Actor.MANAGER,
        act=Act.FILE_WRITE,
        action=Action.DENY,
        target={"path": f"{sample.HOME}/.bashrc"},
    )
    run.add(event)

    assert run.summary().findings == ()


def test_detect_and_sequence_rules_are_audited() -> None:
    """A `detect:` rule fires on an exec, a `sequence:` on the count, both as audited findings."""
    shell = sample.Rule("pipe-to-shell", "t", "high", "e", detect={"act": "exec", "argv|contains": "| sh"})
    wipe = sample.Rule(
        "wipe", "t", "high", "e", sequence={"steps": [{"act": "file.remove"}], "within": 10, "count": 3}
    )
    run = sample.started(sample.run(policy=sample.policy(shell, wipe)))
    run.add(sample.execed(4130, 4121, ["sh", "-c", "curl x | sh"], origin=1))
    for number in range(3):
        run.add(sample.acted(4130, Act.FILE_REMOVE, Action.ALLOW, {"path": f"/x/{number}"}))

    assert [(each.rule, each.action) for each in run.summary().findings] == [
        ("pipe-to-shell", Action.AUDIT),
        ("wipe", Action.AUDIT),
    ]


def test_the_last_act_counts_when_it_is_told_after_the_exit() -> None:
    """Refusals and exits are told by different parts of the kernel: the order of arrival proves nothing."""
    wipe = sample.Rule(
        "wipe", "t", "high", "e", sequence={"steps": [{"act": "file.remove"}], "within": 10, "count": 3}
    )
    run = sample.started(sample.run(policy=sample.policy(wipe)))
    removed = [
        sample.acted(4121, Act.FILE_REMOVE, Action.ALLOW, {"path": f"/x/{number}"}) for number in range(3)
    ]
    ends = [sample.event(Kind.EXIT, pid, 0, origin=1) for pid in (4121, 4120)]
    for event in (*removed[:2], *ends, removed[2]):
        run.add(event)

    assert [each.rule for each in run.summary().findings] == ["wipe"]


def test_a_detection_would_have_refused_nothing() -> None:
    """In audit mode the act says what would have been refused; the rule that only looks on says nothing of it."""
    sweep = sample.Rule("sweep", "t", "high", "e", detect={"act": "file.read"})
    read = sample.rule("read-secrets", Act.FILE_READ, "secrets.aws")
    run = sample.started(sample.run(policy=sample.policy(read, sweep, mode="audit")))
    said = {"would": Action.DENY, "rule": "read-secrets", "groups": ("secrets.aws",)}
    target = {"path": f"{sample.HOME}/.aws/credentials"}
    run.add(sample.acted(4121, Act.FILE_READ, Action.AUDIT, target, **said))

    found = {each.rule: (each.action, each.would) for each in run.summary().findings}
    assert found == {"read-secrets": (Action.AUDIT, Action.DENY), "sweep": (Action.AUDIT, None)}


def test_counts_are_by_actor_and_the_backends_win() -> None:
    """Our own count says who connected; the kernel's totals are the ones reported."""
    summary = sample.refused(sample.started(sample.run())).summary()

    assert summary.counts["exec"] == 9
    assert summary.counts["connect"] == 2
    assert summary.by_actor[Act.NET_CONNECT.word, Actor.MANAGER] == 1


def test_a_folded_connect_counts_as_many_as_it_stands_for() -> None:
    """Loops that the kernel tells with a number are in the totals, by actor and by peer."""
    run = sample.started(sample.run())
    target = {"address": "127.0.0.1", "port": 9}
    for times in (1, 19_999):
        run.add(sample.acted(4130, Act.NET_CONNECT, Action.ALLOW, target, times=times))

    summary = run.summary()

    assert summary.counts["connect"] == 20_000
    assert [count for peer, count in summary.egress.items() if peer.port == 9] == [20_000]


def test_adding_is_cheap() -> None:
    """Events are only appended until a batch is full: far above what an install makes."""
    run = sample.started(sample.run())
    event = sample.acted(
        4121, Act.FILE_READ, Action.DENY, {"path": "/a"}, rule="read-secrets", level=Level.ENFORCED
    )
    began = time.process_time()
    for _ in range(50_000):
        run.add(event)
    summary = run.summary()

    assert summary.findings[0].times == 50_000
    assert time.process_time() - began < 10


def test_run_ids_are_ulids() -> None:
    """Unique, sorted by time, and valid."""
    ids = [ulid.make(1_700_000_000 + number) for number in range(50)]

    assert ids == sorted(ids)
    assert len(set(ids)) == 50
    assert all(map(ulid.valid, ids))
    assert not ulid.valid("../../etc/passwd")


def test_the_launchers_part_imports_nothing_heavy() -> None:
    """What `run` loads before the command starts is light."""
    heavy = (
        "rich pydantic yaml msgpack psutil packaging asyncio logging urllib.request http typing_extensions"
    )
    program = (
        "import sys, pratique.runs.run, pratique.runs.tree, pratique.runs.attribution, pratique.runs.store; "
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    path = os.pathsep.join(sys.path)

    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
