"""Lowering: cells, networks and file plans say what the policy says."""

import os
from pathlib import Path

import pytest

from pratique.backends.hooks.plan import CODE_GROUPS, Plan
from pratique.policy.compile import compile_policy
from pratique.policy.lower import file_plan, lower
from pratique.policy.model import Allow, Policy
from pratique.policy.sources import Text, shipped_texts
from pratique.words import Act, Action, Actor, Stage

STANDARD = compile_policy(shipped_texts())


def cell(plan: Plan, stage: Stage, actor: Actor, act: Act, group: str, tainted: bool = False) -> Action:
    """What the kernel would find; no cell is allow."""
    number = plan.groups.index(group) + 1 if group else 0
    key = (stage, actor, act, number, tainted)
    hits = [
        each for each in plan.cells if (each.stage, each.actor, each.act, each.group, each.tainted) == key
    ]
    assert len(hits) <= 1
    return hits[0].action if hits else Action.ALLOW


@pytest.mark.parametrize(
    ("stage", "actor", "act", "group", "tainted", "action"),
    [
        (Stage.SCRIPT, Actor.PACKAGE, Act.NET_CONNECT, "net.global", False, Action.DENY),
        (Stage.SCRIPT, Actor.PROJECT, Act.NET_CONNECT, "net.global", False, Action.AUDIT),
        (Stage.BUILD, Actor.PACKAGE, Act.NET_CONNECT, "net.own", False, Action.ALLOW),
        (Stage.BUILD, Actor.PACKAGE, Act.NET_CONNECT, "net.loopback", False, Action.DENY),
        (Stage.FIRST_RUN, Actor.PACKAGE, Act.NET_CONNECT, "net.global", False, Action.AUDIT),
        (Stage.FIRST_RUN, Actor.PACKAGE, Act.NET_CONNECT, "net.global", True, Action.DENY),
        (Stage.FIRST_RUN, Actor.PROJECT, Act.NET_CONNECT, "net.global", True, Action.DENY),
        (Stage.FIRST_RUN, Actor.PACKAGE, Act.NET_CONNECT, "net.metadata", False, Action.DENY),
        (Stage.FIRST_RUN, Actor.PROJECT, Act.NET_CONNECT, "net.brokers", False, Action.DENY),
        (Stage.RESOLVE, Actor.MANAGER, Act.NET_CONNECT, "net.global", True, Action.ALLOW),
        (Stage.SCRIPT, Actor.PACKAGE, Act.NET_DNS, "", False, Action.DENY),
        (Stage.SCRIPT, Actor.PACKAGE, Act.NET_DNS, "net.private", False, Action.DENY),
        (Stage.SCRIPT, Actor.PACKAGE, Act.EXEC, "code.memfd", False, Action.DENY),
        (Stage.SCRIPT, Actor.PACKAGE, Act.EXEC, "code.fresh", False, Action.AUDIT),
        (Stage.SCRIPT, Actor.PACKAGE, Act.EXEC, "", False, Action.ALLOW),
        (Stage.FIRST_RUN, Actor.PROJECT, Act.PROC_MEMORY, "proc.outside", False, Action.DENY),
        (Stage.FIRST_RUN, Actor.COMMAND, Act.EXEC, "code.memfd", False, Action.ALLOW),
        (Stage.FIRST_RUN, Actor.PACKAGE, Act.IPC_CONNECT, "ipc.agents", False, Action.DENY),
        (Stage.RESOLVE, Actor.HELPER, Act.IPC_CONNECT, "ipc.agents", False, Action.ALLOW),
        (Stage.BUILD, Actor.PACKAGE, Act.FILE_WRITE, "persistence.git", False, Action.DENY),
        (Stage.BUILD, Actor.PACKAGE, Act.FILE_CREATE, "persistence.git-project", False, Action.AUDIT),
        (Stage.BUILD, Actor.MANAGER, Act.FILE_WRITE, "persistence.node", False, Action.ALLOW),
        (Stage.BUILD, Actor.PACKAGE, Act.KERNEL_BPF, "", False, Action.DENY),
        (Stage.FIRST_RUN, Actor.PACKAGE, Act.NS_ENTER, "", False, Action.AUDIT),
        (Stage.BUILD, Actor.PACKAGE, Act.RING, "", False, Action.ALLOW),
    ],
)
def test_cells(stage: Stage, actor: Actor, act: Act, group: str, tainted: bool, action: Action) -> None:
    """The kernel's table says what docs/policy.md section 5 says."""
    assert cell(lower(STANDARD), stage, actor, act, group, tainted) is action


def test_numbers_and_names() -> None:
    """Computed groups come first in their order; every number points at a name; each network stands once."""
    plan = lower(STANDARD)
    cidrs = [network.cidr for network in plan.networks]

    assert plan.groups[: len(CODE_GROUPS)] == CODE_GROUPS
    assert len(cidrs) == len(set(cidrs))
    assert all(
        0 <= each.group <= len(plan.groups) and 1 <= each.rule <= len(plan.rules) for each in plan.cells
    )
    assert {each.act for each in plan.cells} == {
        *(Act.EXEC, Act.NET_CONNECT, Act.NET_DNS, Act.PROC_MEMORY, Act.IPC_CONNECT, Act.FILE_WRITE),
        *(Act.FILE_CREATE, Act.KERNEL_BPF, Act.NS_ENTER, Act.MOUNT),
    }


def test_metadata_cells_are_locked() -> None:
    """No allow list may open them."""
    plan = lower(STANDARD)
    number = plan.groups.index("net.metadata") + 1

    assert {
        each.locked
        for each in plan.cells
        if each.group == number and each.act is Act.NET_CONNECT and not each.tainted
    } == {True}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A home with a secret, start-up files, a manager's file and a program in PATH."""
    for name in (".aws", ".ssh", "bin", ".config"):
        (tmp_path / name).mkdir()
    for name in (".aws/credentials", ".bashrc", ".npmrc", ".gitconfig", "bin/claude"):
        (tmp_path / name).write_text("decoy")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return str(tmp_path)


def policy(text: str = "", mode: str = "enforce", profile: str | None = None) -> Policy:
    """The shipped policy with one user file."""
    return compile_policy([*shipped_texts(), Text("/u.toml", "user", True, text.encode())], profile, mode)


def test_file_plan(home: str) -> None:
    """Each place is guarded in the way its group and its state ask for."""
    plan = file_plan(policy(), [home], home)
    paths = {
        name: {each.path for each in getattr(plan, name)} for name in ("read", "create", "write", "exec")
    }

    assert {f"{home}/.aws/credentials", f"{home}/.npmrc", f"{home}/.ssh"} <= paths["read"]
    assert f"{home}/.gitconfig" not in paths["read"]
    assert {f"{home}/.profile", f"{home}/.config/autostart"} <= paths["create"]
    assert {f"{home}/.gitconfig", f"{home}/.npmrc", f"{home}/.bashrc"} <= paths["write"]
    assert f"{home}/bin/claude" in paths["exec"]
    assert home in plan.watch


def test_readonly_spares_what_managers_write(home: str) -> None:
    """Start-up files are bound read-only; .npmrc and .gitconfig stay writable to those whose they are."""
    plan = file_plan(policy(), [home], home)

    assert f"{home}/.bashrc" in plan.readonly
    assert not {f"{home}/.npmrc", f"{home}/.gitconfig"} & set(plan.readonly)
    assert not [path for path in plan.readonly if path.startswith("/etc/") and "cron" not in path]


def test_hot_files_are_not_marked(home: str) -> None:
    """A permission mark on /etc/passwd would stop every program on the host for the guard's answer."""
    plan = file_plan(policy(), [home], home)

    assert not {"/etc/passwd", "/etc/hosts", "/etc/ssl/certs"} & {each.path for each in plan.read}
    assert "/etc/passwd" in {each.path for each in plan.write}


@pytest.mark.parametrize("pattern", ["~/.bashrc", "~/.bash*", "~/**"])
def test_what_the_user_lets_a_package_write_is_not_readonly(home: str, pattern: str) -> None:
    """The kernel judges each open of it instead; shipped data alone opens nothing."""
    given = Allow("pkg:pypi/x", "why", write=(pattern,), source="pratique.toml:1")
    opened = file_plan(policy()._replace(allows=(given,)), [home], home)
    shipped = file_plan(policy()._replace(allows=(given._replace(source="rules/x"),)), [home], home)

    assert f"{home}/.bashrc" not in opened.readonly
    assert f"{home}/.bashrc" in {each.path for each in opened.write}
    assert f"{home}/.bashrc" in shipped.readonly


@pytest.mark.parametrize(("mode", "profile"), [("audit", None), ("enforce", "observe")])
def test_nothing_static_where_nothing_is_refused(home: str, mode: str, profile: str | None) -> None:
    """Audit mode and the observe profile must not change what the command can do."""
    plan = file_plan(policy(mode=mode, profile=profile), [home], home)

    assert (plan.readonly, plan.masked) == ([], [])


def test_masks_follow_the_users_allows(tmp_path: Path) -> None:
    """A broker's socket is masked, unless a policy file allows it to a package; shipped data opens none."""
    socket = tmp_path / ".docker/run/docker.sock"
    socket.parent.mkdir(parents=True)
    socket.write_text("")
    allow = '[[allow]]\npackage = "pkg:npm/x"\nreason = "r"\nipc = ["~/.docker/run/docker.sock"]\n'

    assert file_plan(policy(), [str(tmp_path)], None).masked == [str(socket)]
    assert file_plan(policy(allow), [str(tmp_path)], None).masked == []


def test_programs_that_stand_for_many_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`su` that is a link to busybox must not put every tool of the host under guard."""
    (tmp_path / "busybox").write_text("")
    (tmp_path / "sudo").symlink_to(tmp_path / "busybox")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert not [each for each in file_plan(policy(), [], None).exec if each.path.startswith(str(tmp_path))]
    assert os.environ["PATH"] == str(tmp_path)


OBJECTS = lower(STANDARD, objects=True)


@pytest.mark.parametrize(
    ("stage", "actor", "act", "group", "action"),
    [
        (Stage.SCRIPT, Actor.PACKAGE, Act.FILE_READ, "secrets.aws", Action.DENY),
        (Stage.SCRIPT, Actor.PROJECT, Act.FILE_READ, "secrets.aws", Action.AUDIT),
        (Stage.RESOLVE, Actor.MANAGER, Act.FILE_READ, "secrets.npm", Action.ALLOW),
        (Stage.SCRIPT, Actor.PACKAGE, Act.FILE_RENAME, "persistence.shell", Action.DENY),
        (Stage.SCRIPT, Actor.PACKAGE, Act.FILE_SETATTR, "persistence.shell", Action.DENY),
        (Stage.SCRIPT, Actor.PACKAGE, Act.EXEC, "exe.privilege", Action.DENY),
        (Stage.SCRIPT, Actor.PACKAGE, Act.EXEC_MAP, "exe.privilege", Action.DENY),
        (Stage.SCRIPT, Actor.PACKAGE, Act.EXEC_MAP, "code.memfd", Action.ALLOW),
        (Stage.SCRIPT, Actor.PACKAGE, Act.RING, "", Action.DENY),
        (Stage.FIRST_RUN, Actor.COMMAND, Act.FILE_READ, "self", Action.DENY),
    ],
)
def test_cells_for_a_kernel_that_judges_objects(
    stage: Stage, actor: Actor, act: Act, group: str, action: Action
) -> None:
    """Every act on files and programs has its cell, and mapping a program is starting it."""
    if group and group not in OBJECTS.groups:
        assert action is Action.ALLOW
        return
    assert cell(OBJECTS, stage, actor, act, group) is action


def test_cells_for_objects_contain_what_hooks_has() -> None:
    """One policy: no decision differs between the two backends where both make it."""
    shared = {Act.NET_CONNECT, Act.NET_DNS, Act.PROC_MEMORY, Act.IPC_CONNECT, Act.KERNEL_BPF, Act.FILE_WRITE}

    def decisions(plan: Plan) -> set[tuple[object, ...]]:
        return {
            (each.stage, each.actor, each.act, plan.groups[each.group - 1] if each.group else "", each.action)
            for each in plan.cells
            if each.act in shared
        }

    assert decisions(lower(STANDARD)) <= decisions(OBJECTS)


def test_known_groups_keep_their_numbers() -> None:
    """What an earlier plan put into the kernel's tables must mean the same group under the next."""
    known = ("secrets.gone", *reversed(OBJECTS.groups[len(CODE_GROUPS) :]))
    plan = lower(STANDARD, known=(*CODE_GROUPS, *known), objects=True)

    assert plan.groups[: len(CODE_GROUPS) + len(known)] == (*CODE_GROUPS, *known)
    assert set(plan.groups) == {*OBJECTS.groups, "secrets.gone"}
