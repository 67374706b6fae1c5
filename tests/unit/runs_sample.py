"""A recorded refusal to show: `npm install web-kit` pulls in left-padder, whose script goes for secrets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pratique.managers.base import Context, Learned, Manager, Pattern, Stopped
from pratique.model import Coverage, Event, Exec, Identity, Kind, Settlement
from pratique.policy.model import Group, Policy, Row, Rule, Source
from pratique.runs import report
from pratique.runs.attribution import Origin
from pratique.runs.run import Given, Run, Settled
from pratique.words import Act, Action, Actor, Level, Quality, Stage

HOME = "/home/dev"
RUN = 7


class Npm:
    """A manager module as small as can be."""

    name = "npm"

    def patterns(self) -> tuple[Pattern, ...]:
        """`node npm install`."""
        return (Pattern("npm", ("node",), ("npm",), (), ("install", "ci")),)

    def classify(self, child: Stopped, context: Context) -> Settlement:
        """All is package code of a claimed name."""
        del context
        return Settlement(
            Actor.PACKAGE, Stage.SCRIPT, Identity(Quality.CLAIMED, child.argv[-1]), new_origin=True
        )

    def describe(self, argv: tuple[str, ...]) -> str:
        """The words from the manager's name on."""
        return " ".join(["npm", *argv[2:]])

    def requested(self, argv: tuple[str, ...], cwd: str) -> tuple[str, ...]:
        """What follows the verb."""
        del cwd
        return argv[3:]

    def inside(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[str, ...]:
        """Hooks that a file in the folder names."""
        del argv, environment
        return tuple(map(str, Path(cwd).glob(".hooks")))

    def hosts(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[Learned, ...]:
        """One host."""
        del argv, environment, cwd
        return (Learned("registry.example", "registry in ~/.npmrc"),)


MANAGERS: Mapping[str, Manager] = {"npm": Npm()}


def rule(name: str, act: Act, group: str, action: Action = Action.DENY, **more: Any) -> Rule:
    """A rule with one row for package code."""
    rows = (Row((Stage.BUILD, Stage.SCRIPT), (Actor.PACKAGE,), act, group, action),)
    explain = "Install scripts have no business with cloud credentials."
    return Rule(name, f"title of {name}", "high", explain, ("T1552.001",), rows=rows, **more)


def policy(*rules: Rule, **more: Any) -> Policy:
    """A policy of a few rules."""
    held = rules or (
        rule("read-secrets", Act.FILE_READ, "secrets.aws"),
        rule("script-egress", Act.NET_CONNECT, "net.global"),
        rule("shell-start-up", Act.FILE_WRITE, "persistence.shell"),
        rule("fresh-exec", Act.EXEC, "code.fresh", Action.AUDIT),
    )
    groups = (
        Group("secrets.aws", "file", paths=("~/.aws/**",)),
        Group("persistence.shell", "file", paths=("~/.bashrc", "~/.profile")),
    )
    source = Source("rules/standard.yaml", "sha256-00", "shipped", trusted=True)
    return Policy("sha256-11", "standard", held, groups, sources=(source,), **more)


def event(
    kind: Kind, pid: int, ppid: int, actor: Actor = Actor.PACKAGE, origin: int = 0, **more: Any
) -> Event:
    """An event of the sample run."""
    stage = more.pop("stage", Stage.RESOLVE if actor is Actor.MANAGER else Stage.SCRIPT)
    return Event(more.pop("time", 1000.0 + pid / 1000), kind, pid, ppid, RUN, origin, stage, actor, **more)


def execed(pid: int, ppid: int, argv: Sequence[str], actor: Actor = Actor.PACKAGE, **more: Any) -> Event:
    """An exec."""
    pending = more.pop("pending", False)
    cwd = more.pop("cwd", f"{HOME}/shop")
    image = Exec(argv[0], argv[0], tuple(argv), cwd, pending=pending)
    return event(Kind.EXEC, pid, ppid, actor, exec=image, **more)


def fetched() -> Event:
    """The manager's own connect."""
    peer = {"address": "192.0.2.1", "port": 443}
    return event(Kind.ACT, 4101, 1, Actor.MANAGER, act=Act.NET_CONNECT, target=peer)


def acted(pid: int, act: Act, action: Action, target: Mapping[str, Any], **more: Any) -> Event:
    """An act of package code of origin 1."""
    return event(
        Kind.ACT, pid, 0, origin=more.pop("origin", 1), act=act, action=action, target=target, **more
    )


def run(**more: Any) -> Run:
    """An empty run of `npm install web-kit`."""
    times = iter([1000.0])
    return Run(
        more.pop("policy", None) or policy(),
        more.pop("command", ["npm", "install", "web-kit"]),
        f"{HOME}/shop",
        more.pop("environment", {"HOME": HOME, "NPM_TOKEN": "canary-value"}),
        "hooks",
        MANAGERS,
        Given(
            clock=lambda: next(times, 1009.5),
            run_id=more.pop("run_id", "01JD3KZ0000000000000000000"),
            number=RUN,
            homes=[HOME],
            **more,
        ),
    )


def origin(quality: Quality = Quality.VERIFIED, **more: Any) -> Origin:
    """Where left-padder's script begins."""
    identity = Identity(
        quality, more.pop("purl", "pkg:npm/left-padder@1.0.2"), None, "sha512-abc", more.pop("direct", False)
    )
    settlement = Settlement(
        Actor.PACKAGE, Stage.SCRIPT, identity, new_origin=True, reason="a lifecycle script"
    )
    cwd = f"{HOME}/shop/node_modules/left-padder"
    return Origin(1, 4120, ("sh", "-c", "node setup.js"), cwd, "npm", settlement, ("web-kit",))


def started(given: Run, begins: Origin | None = None) -> Run:
    """The manager runs, and the script of left-padder has begun."""
    given.started(4101, setup_seconds=0.2)
    given.add(execed(4101, 1, ["node", "/usr/bin/npm", "install", "web-kit"], Actor.MANAGER))
    given.add(event(Kind.FORK, 4120, 4101, Actor.MANAGER))
    given.add(execed(4120, 4101, ["sh", "-c", "node setup.js"], pending=True))
    given.settled([begins or origin()], Settled(4120, Actor.PACKAGE, Stage.SCRIPT, 1, "npm"))
    given.add(event(Kind.FORK, 4121, 4120, origin=1))
    given.add(execed(4121, 4120, ["node", "setup.js"], origin=1, cwd=f"{HOME}/shop/node_modules/left-padder"))
    return given


def refused(given: Run) -> Run:
    """What setup.js tried."""
    aws, peer = {"path": f"{HOME}/.aws/credentials"}, {"address": "203.0.113.9", "port": 8443}
    given.add(fetched())
    given.add(
        acted(
            4121,
            Act.FILE_READ,
            Action.DENY,
            aws,
            rule="read-secrets",
            groups=("secrets.aws",),
            level=Level.ENFORCED,
        )
    )
    given.add(
        acted(
            4121,
            Act.NET_CONNECT,
            Action.DENY,
            peer,
            rule="script-egress",
            groups=("net.global",),
            level=Level.ENFORCED,
        )
    )
    given.add(acted(4121, Act.FILE_WRITE, Action.DENY, {"path": f"{HOME}/.bashrc", "errno": 30}))
    dropped = {"exe": "/tmp/.x9f"}
    given.add(acted(4121, Act.EXEC, Action.AUDIT, dropped, rule="fresh-exec", groups=("code.fresh",)))
    given.ended(0, None, 0, {"exec": 9, "open": 1234})
    return given


COVERAGE = (
    Coverage(Act.FILE_READ, "any process", Level.ENFORCED, "fanotify answers before the open returns"),
    Coverage(Act.NET_CONNECT, "any process", Level.ENFORCED, "cgroup connect4 and connect6"),
    Coverage(Act.EXEC, "memfd", Level.KILLED_BEFORE, "killed at sched_process_exec"),
    Coverage(Act.EXEC_MAP, "ld.so FILE", Level.BLIND, "nothing here sees the mapping"),
)


def built(given: Run | None = None, **more: Any) -> dict[str, Any]:
    """The report of the sample, or of `given`."""
    done = given or refused(started(run()))
    return report.build(done.summary(), report.Ending(coverage=COVERAGE, **more))
