"""The shipped rules: consistent, sampled; the defaults of docs/policy.md section 5 and their traps."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pratique import resources
from pratique.backends.hooks.plan import CODE_GROUPS
from pratique.model import Identity
from pratique.policy import allows
from pratique.policy.bench import lay_out
from pratique.policy.compile import compile_policy
from pratique.policy.objects import groups_of
from pratique.policy.sources import Text, shipped_texts
from pratique.words import Act, Action, Actor, Quality, Stage

TEXTS = shipped_texts()
BENCH = lay_out(TEXTS)
POLICIES = {name: compile_policy(TEXTS, name) for name in ("observe", "standard", "strict")}
HOMES, PROJECT = ["/home/user", "/root"], "/home/user/project"
INSTALL = (Stage.RESOLVE, Stage.BUILD, Stage.SCRIPT)
CODE = (Actor.PROJECT, Actor.PACKAGE)

GROUPS = {
    "secrets": "npm python netrc git ssh gpg aws gcp azure cloud kubernetes containers vault app databases ai"
    " ecosystems history browsers wallets chat system",
    "persistence": "shell systemd cron desktop ssh python node git ci editors ai loader privilege trust",
    "exe": "privilege scheduler services containers ai downloader",
    "net": "loopback private metadata link-local multicast global brokers",
    "ipc": "brokers agents",
}


def action(stage: Stage, actor: Actor, act: Act, profile: str = "standard", **target: Any) -> Action:
    """What the whole policy says of an act on a named object."""
    policy = POLICIES[profile]
    groups = groups_of(policy, act, target, HOMES, PROJECT)
    return policy.decide(stage, actor, act, groups, bool(target.get("tainted"))).action


def test_no_mistakes() -> None:
    """Every rule reads, lowers, and does with each of its samples what it must."""
    assert [str(problem) for problem in BENCH.problems] == []


@pytest.mark.parametrize("entry", BENCH.rules, ids=lambda entry: entry[1].id)
def test_a_rule_file_is_named_like_its_rule(entry: Any) -> None:
    """One rule per file, found by its id; the reader is told one sentence."""
    _, rule, document = entry

    assert document.name == f"rules/{rule.id}.yaml"
    assert rule.explain.endswith(".")
    assert "\n" not in rule.explain


def test_the_agreed_groups_exist() -> None:
    """The names that backends, reports and documentation use."""
    wanted = {f"{family}.{name}" for family, names in GROUPS.items() for name in names.split()}

    assert wanted | set(CODE_GROUPS) | {"self"} <= set(BENCH.groups)
    assert {name for name, group in BENCH.groups.items() if group.kind == "code"} == set(CODE_GROUPS)


def test_every_group_is_used() -> None:
    """A group that no rule names guards nothing; a sequence names downloaders, and `[[block]]` hosts."""
    ruled = {row.group for _, rule, _ in BENCH.rules for row in rule.rows}

    assert set(BENCH.groups) - ruled == {"exe.downloader", "net.own", "net.blocked"}


def test_no_network_stands_twice() -> None:
    """An address draws one group only."""
    cidrs = [cidr for group in BENCH.groups.values() for cidr in group.cidrs]

    assert len(cidrs) == len(set(cidrs))


def test_project_denies_are_exactly_the_agreed_exceptions() -> None:
    """For first-party code every deny is audit, but brokers, memory, deny-when-tainted, and the guard."""
    denied = {
        rule.id
        for rule in POLICIES["standard"].rules
        for row in rule.rows
        if Actor.PROJECT in row.actors and row.action >= Action.DENY
    }

    assert denied == {"brokers.use", "memory.outside", "taint.egress", "self.protect"}


def test_locked_rules() -> None:
    """Metadata and self-protection cannot be allowed away."""
    assert {rule.id for rule in POLICIES["standard"].rules if rule.locked} == {
        "egress.metadata",
        "self.protect",
    }


def test_only_code_of_others_and_the_project_are_judged_by_default() -> None:
    """Command, manager and helper work as if unguarded; only Pratique itself is closed to them."""
    actors = {
        actor
        for rule in POLICIES["strict"].rules
        for row in rule.rows
        if rule.id != "self.protect"
        for actor in row.actors
    }

    assert actors == {Actor.PROJECT, Actor.PACKAGE, Actor.MIXED}


def _denied() -> Iterator[tuple[tuple[Stage, ...], Act, dict[str, Any]]]:
    every = tuple(Stage)
    for path in (
        "~/.ssh/id_ed25519",
        "~/.aws/credentials",
        "~/.npmrc",
        "~/.git-credentials",
        "~/.config/gh/hosts.yml",
        "/etc/shadow",
        "~/.kube/config",
        "~/.docker/config.json",
        "~/.gnupg/private-keys-v1.d/x.key",
        "~/.bash_history",
        "~/.config/solana/id.json",
        "~/.mozilla/firefox/a/key4.db",
    ):
        yield every, Act.FILE_READ, {"path": path}
    for path in (
        "~/.bashrc",
        "~/.config/systemd/user/a.service",
        "/etc/cron.d/a",
        "~/.config/autostart/a.desktop",
        "~/.ssh/authorized_keys",
        "~/.gitconfig",
        "./.github/workflows/a.yml",
        "./.vscode/tasks.json",
        "~/.claude/settings.json",
        "./.mcp.json",
        "/etc/ld.so.preload",
        "~/.npmrc",
        "~/.config/pip/pip.conf",
        "/etc/hosts",
    ):
        for act in (
            Act.FILE_WRITE,
            Act.FILE_CREATE,
            Act.FILE_LINK,
            Act.FILE_RENAME,
            Act.FILE_REMOVE,
            Act.FILE_TRUNCATE,
            Act.FILE_SETATTR,
        ):
            yield every, act, {"path": path}
    for address in (
        "203.0.113.9",
        "10.0.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "fe80::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "224.0.0.1",
        "127.0.0.1",
    ):
        yield INSTALL, Act.NET_CONNECT, {"address": address, "port": 443}
    for address in ("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "168.63.129.16"):
        yield every, Act.NET_CONNECT, {"address": address, "port": 80}
    yield every, Act.NET_CONNECT, {"address": "127.0.0.1", "port": 2375}
    yield every, Act.NET_CONNECT, {"address": "203.0.113.9", "port": 443, "tainted": True}
    yield every, Act.NET_DNS, {"name": "a.example.net", "tainted": True}
    yield INSTALL, Act.NET_DNS, {"name": "a.example.net"}
    yield every, Act.NET_CONNECT, {"groups": ["net.raw-socket"]}
    for group in ("code.memfd", "code.deleted", "code.shm", "code.hidden-temp"):
        yield every, Act.EXEC, {"groups": [group]}
    for exe in ("/usr/bin/sudo", "/bin/su", "/usr/bin/crontab", "/usr/bin/systemctl", "/usr/bin/systemd-run"):
        yield every, Act.EXEC, {"exe": exe}
    for exe in ("/usr/bin/docker", "/home/user/.local/bin/claude", "/usr/bin/kubectl"):
        yield INSTALL, Act.EXEC, {"exe": exe}
    for path in (
        "/run/docker.sock",
        "/run/user/1000/bus",
        "/run/dbus/system_bus_socket",
        "/run/user/1000/gnupg/S.gpg-agent",
    ):
        yield every, Act.IPC_CONNECT, {"path": path}
    yield every, Act.PROC_MEMORY, {"groups": ["proc.outside"]}
    yield every, Act.KERNEL_BPF, {}
    yield every, Act.RING, {}
    yield INSTALL, Act.NS_ENTER, {}
    yield INSTALL, Act.MOUNT, {}


def _resolved(target: dict[str, Any]) -> dict[str, Any]:
    path = target.get("path", "")
    return target | (
        {"path": path.replace("~", HOMES[0], 1).replace("./", f"{PROJECT}/", 1)}
        if path[:2] in ("~/", "./")
        else {}
    )


@pytest.mark.parametrize(("stages", "act", "target"), list(_denied()), ids=str)
def test_package_code_is_refused(stages: tuple[Stage, ...], act: Act, target: dict[str, Any]) -> None:
    """docs/policy.md section 5, column by column; observe, managers and commands are refused none of it."""
    for stage in stages:
        assert action(stage, Actor.PACKAGE, act, **_resolved(target)) is Action.DENY, stage
        assert action(stage, Actor.PACKAGE, act, "observe", **_resolved(target)) is Action.AUDIT
        assert action(stage, Actor.MANAGER, act, **_resolved(target)) is Action.ALLOW
        assert action(stage, Actor.COMMAND, act, **_resolved(target)) is Action.ALLOW


TRAPS: list[tuple[str, tuple[Stage, ...], Act, dict[str, Any]]] = [
    ("F01 ships a binary and runs it", INSTALL, Act.EXEC, {"exe": "./node_modules/esbuild/bin/esbuild"}),
    ("F03 caches a browser", tuple(Stage), Act.FILE_WRITE, {"path": "~/.cache/puppeteer/chrome"}),
    ("F08 compiles", INSTALL, Act.EXEC, {"exe": "/usr/bin/g++"}),
    ("F08 node headers cache", INSTALL, Act.FILE_CREATE, {"path": "~/.cache/node-gyp/22/include/node.h"}),
    ("F12 reads os-release", tuple(Stage), Act.FILE_READ, {"path": "/etc/os-release"}),
    (
        "F13 writes telemetry settings",
        tuple(Stage),
        Act.FILE_WRITE,
        {"path": "~/.config/nextjs-nodejs/config.json"},
    ),
    ("F19 writes project public", INSTALL, Act.FILE_CREATE, {"path": "./public/mockServiceWorker.js"}),
    ("F20 reads parent manifest", INSTALL, Act.FILE_READ, {"path": "./package.json"}),
    ("F24 a shell", tuple(Stage), Act.EXEC, {"exe": "/bin/sh"}),
    ("F24 npm logs", tuple(Stage), Act.FILE_WRITE, {"path": "~/.npm/_logs/x.log"}),
    ("F32 nested pip reads its configuration", INSTALL, Act.FILE_READ, {"path": "~/.config/pip/pip.conf"}),
    ("F32 nested pip reads its configuration", INSTALL, Act.FILE_READ, {"path": "/etc/pip.conf"}),
    ("F34 runs what it compiled: recorded only", INSTALL, Act.EXEC, {"groups": ["code.fresh"]}),
    ("F35 cargo reads its settings", INSTALL, Act.FILE_READ, {"path": "~/.cargo/config.toml"}),
    (
        "F35 cargo opens its credentials: recorded only",
        INSTALL,
        Act.FILE_READ,
        {"path": "~/.cargo/credentials.toml"},
    ),
    ("F35 cargo cache", INSTALL, Act.FILE_WRITE, {"path": "~/.cargo/registry/index/x"}),
    ("F37 configure", INSTALL, Act.EXEC, {"exe": "/usr/bin/make"}),
    ("F38 git reads its settings", tuple(Stage), Act.FILE_READ, {"path": "~/.gitconfig"}),
    ("F38 git reads its settings", tuple(Stage), Act.FILE_READ, {"path": "~/.config/git/config"}),
    (
        "F39 a .pth in an isolated environment",
        INSTALL,
        Act.FILE_CREATE,
        {"path": "/tmp/pip-build-env-x/overlay/lib/python3.11/site-packages/a.pth"},
    ),
    ("F40 kernels cache", (Stage.FIRST_RUN,), Act.FILE_CREATE, {"path": "~/.triton/x.so"}),
    ("F41 model cache", (Stage.FIRST_RUN,), Act.FILE_READ, {"path": "~/.cache/huggingface/hub/x"}),
    ("F45 semaphores", tuple(Stage), Act.FILE_CREATE, {"path": "/dev/shm/sem.x"}),
    (
        "F51 notebook settings",
        (Stage.FIRST_RUN,),
        Act.FILE_WRITE,
        {"path": "~/.ipython/profile_default/history.sqlite"},
    ),
    ("F51 a loopback database", (Stage.FIRST_RUN,), Act.NET_CONNECT, {"address": "127.0.0.1", "port": 5432}),
    ("F52 CA bundles", tuple(Stage), Act.FILE_READ, {"path": "/etc/ssl/certs/ca-certificates.crt"}),
    (
        "F52 CA bundles",
        tuple(Stage),
        Act.FILE_READ,
        {"path": "./.venv/lib/python3.11/site-packages/certifi/cacert.pem"},
    ),
    ("F53 name service", tuple(Stage), Act.FILE_READ, {"path": "/etc/passwd"}),
    ("F53 name service", tuple(Stage), Act.IPC_CONNECT, {"path": "/run/nscd/socket"}),
    ("root's home is a home", tuple(Stage), Act.FILE_READ, {"path": "/root/work/setup.py"}),
    ("a project's sample settings", tuple(Stage), Act.FILE_READ, {"path": "./.env.example"}),
    (
        "a project's settings at first run: recorded only",
        (Stage.FIRST_RUN,),
        Act.FILE_READ,
        {"path": "./.env"},
    ),
    ("test keys inside a package", tuple(Stage), Act.FILE_READ, {"path": "./node_modules/x/test/key.pem"}),
    ("F07 husky: recorded only", tuple(Stage), Act.FILE_CREATE, {"path": "./.git/hooks/pre-commit"}),
    ("browsers' sandboxes: recorded only", (Stage.FIRST_RUN,), Act.NS_ENTER, {}),
    (
        "the network at first run: recorded only",
        (Stage.FIRST_RUN,),
        Act.NET_CONNECT,
        {"address": "203.0.113.9", "port": 443},
    ),
    ("a server of the same run", INSTALL, Act.NET_CONNECT, {"groups": ["net.own"]}),
]


@pytest.mark.parametrize(("name", "stages", "act", "target"), TRAPS)
def test_traps_pass(name: str, stages: tuple[Stage, ...], act: Act, target: dict[str, Any]) -> None:
    """What legitimate packages do is not refused; it is silent, unless the trap says that it is recorded."""
    allowed = (
        (Action.ALLOW, Action.AUDIT) if "recorded" in name or act is Act.NET_CONNECT else (Action.ALLOW,)
    )

    assert {action(stage, Actor.PACKAGE, act, **_resolved(target)) for stage in stages} <= set(allowed)


@pytest.mark.parametrize(
    ("purl", "path", "ok"),
    [
        ("pkg:pypi/boto3@1.40.0", "/home/user/.aws/credentials", True),
        ("pkg:pypi/boto3@1.40.0", "/home/user/.ssh/id_rsa", False),
        ("pkg:npm/%40aws-sdk/credential-providers@3.0.0", "/home/user/.aws/config", True),
        ("pkg:npm/aws-sdk-evil@1.0.0", "/home/user/.aws/config", False),
        ("pkg:pypi/paramiko@3.0", "/home/user/.ssh/known_hosts", True),
    ],
)
def test_owners_may_use_their_own_at_first_run(purl: str, path: str, ok: bool) -> None:
    """Clients of a service read its credentials once verified, at first run only (F26, F48)."""
    identity = Identity(Quality.VERIFIED, purl)
    found = allows.allows_for(POLICIES["standard"], identity, Stage.FIRST_RUN)

    assert any(allows.permits(allow, Act.FILE_READ, {"path": path}, HOMES, PROJECT) for allow in found) is ok
    assert not any(allow.read for allow in allows.allows_for(POLICIES["standard"], identity, Stage.SCRIPT))


def test_strict_refuses_unlisted_egress_at_first_run() -> None:
    """Strict adds refusals and takes none away."""
    assert (
        action(Stage.FIRST_RUN, Actor.PACKAGE, Act.NET_CONNECT, "strict", address="203.0.113.9")
        is Action.DENY
    )
    assert (
        action(Stage.SCRIPT, Actor.PACKAGE, Act.FILE_CREATE, "strict", path=f"{PROJECT}/.git/hooks/x")
        is Action.DENY
    )


def broken(old: str, new: str, name: str = "rules/secrets.install.yaml") -> list[str]:
    """Problems of the rules when one file is changed."""
    changed = [
        Text(t.path, t.kind, t.trusted, t.data.replace(old.encode(), new.encode())) if t.path == name else t
        for t in TEXTS
    ]
    return [str(problem) for problem in lay_out(changed).problems]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "acts: [file.read]",
            "acts: [net.connect]",
            r"install.yaml:\d+: rule secrets.install: no backend can decide net.connect on group \"secrets",
        ),
        (
            "groups: [secrets.*]",
            "groups: ['*']",
            r"no backend can decide file.read on any object \(\*\); it can decide file.read on: file",
        ),
        (
            "groups: [secrets.*]",
            "groups: [secrets.nmp]",
            r'install.yaml:1\d: rule secrets.install: there is no group "secrets.nmp"',
        ),
        ("  benign:", "  bening:", r'unknown key "bening" in tests; did you mean "benign"'),
        (
            "action: audit",
            "action: aduit",
            r'"aduit" is none of allow, audit, deny, kill; did you mean "audit"',
        ),
        ("severity: critical", "severity: grave", r"install.yaml:\d+: \"severity\""),
        ("format: 1", "format: 2", r"install.yaml:1: \"format\""),
        (
            "path: ~/.gitconfig",
            "path: ~/.npmrc",
            r"install.yaml:\d+: rule secrets.install: a benign sample fired",
        ),
        ("path: ~/.aws/credentials, action: deny", "path: ~/x, action: deny", r"a match sample did not fire"),
        (
            "path: ~/.aws/credentials, action: deny",
            "path: ~/.aws/credentials, action: kill",
            r"a match sample drew deny, not kill",
        ),
        ("enforce:", "detect: {kind: exec}\nenforce:", r"needs exactly one of enforce, detect and sequence"),
    ],
)
def test_mistakes_in_rules_are_found(old: str, new: str, message: str) -> None:
    """Each mistake names rule, file, line and reason."""
    problems = broken(old, new)

    assert problems
    assert re.search(message, problems[0]), problems


def test_a_rule_without_samples_fails() -> None:
    """At least one match and one benign sample."""
    text = (resources.rules() / "ring.use.yaml").read_text()
    cut = text[: text.index("  benign:")]
    problems = lay_out(
        [
            Text(t.path, t.kind, t.trusted, cut.encode()) if t.path.endswith("ring.use.yaml") else t
            for t in TEXTS
        ]
    ).problems

    assert [str(problem) for problem in problems] == [
        f'rules/ring.use.yaml:{cut.splitlines().index("tests:") + 1}: "benign" is missing in tests'
    ]


def test_a_wrong_condition_is_found() -> None:
    """Unknown fields, modifiers and values of detect are errors of the file."""
    assert "unknown field 'nmae'" in broken("name|re:", "nmae|re:", "rules/dns.tunnel.yaml")[0]
    assert (
        "rules/files.mass-removal.yaml:"
        in broken("count: 40", "count: 0", "rules/files.mass-removal.yaml")[0]
    )


def test_no_registry_host_stands_in_the_rules() -> None:
    """Learned, never shipped: the words that registries are known by appear in no host."""
    hosts = [host for text in TEXTS for host in re.findall(rb'"([a-z0-9.-]+\.[a-z]+):443"', text.data)]

    assert hosts
    assert not [host for host in hosts if re.search(rb"regist|npm|pypi|pythonhosted|crates", host)]


def test_rule_files_are_all_seen() -> None:
    """Nothing in rules/ is left unread."""
    assert {text.path for text in TEXTS} == {
        f"rules/{path.relative_to(resources.rules())}" for path in Path(resources.rules()).rglob("*.*")
    }
