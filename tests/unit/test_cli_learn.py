"""`pratique init` and `pratique learn` as people type them."""

import contextlib
import io
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique import cli, host, session
from pratique.cli import init, learn
from pratique.errors import GuardError, UsageError
from pratique.policy import placing
from pratique.policy.compile import compile_policy
from pratique.policy.sources import LARGEST, Text, shipped_texts
from pratique.runs import store
from pratique.runs.escape import one_line
from pratique.words import Act, Action
from unit import runs_sample as sample
from unit.test_learning import connect, event, learned, reported

OURS = '# ours\nprofile = "strict"  # kept\n'

Json = dict[str, Any]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, a home and a state directory of nobody else."""
    made = {name: tmp_path / name for name in ("project", "home", "state")}
    for folder in made.values():
        folder.mkdir()
    (made["project"] / ".git").mkdir()
    monkeypatch.setattr(host, "state_dir", lambda: made["state"])
    monkeypatch.setenv("HOME", str(made["home"]))
    monkeypatch.chdir(made["project"])
    return made["project"]


def keep(report: Json) -> Json:
    """Put a report into the store."""
    store.Store().save(report)
    return report


def names(folder: Path) -> list[str]:
    """What is in it: no temporary file is left."""
    return sorted(each.name for each in folder.iterdir())


def call(*words: str) -> int:
    """Call `pratique`; its status."""
    return cli.main(list(words))


def test_init_writes_a_policy_file_into_the_project(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the git root, for everyone to read, saying what comes next; the file changes nothing by itself."""
    (project / "below").mkdir()
    monkeypatch.chdir(project / "below")
    file = project / "pratique.toml"

    assert call("init") == 0
    assert "pratique policy trust" in capsys.readouterr().out
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert set(file.read_text()) <= {"\n", *map(chr, range(0x20, 0x7F))}
    assert not [line for line in file.read_text().splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("profile", [None, "observe", "standard", "strict"])
def test_the_file_of_init_loads(profile: str | None) -> None:
    """As it is, and with its examples uncommented."""
    text = init.text(profile)
    blocks = [block for block in text.split("\n\n") if "# [[" in block]
    examples = [line[2:] for block in blocks for line in block.partition("#\n")[2].splitlines()]
    policy = compile_policy([*shipped_texts(), Text("/p.toml", "project", True, text.encode())])
    whole = "\n".join([text, *examples]).encode()
    full = compile_policy([*shipped_texts(), Text("/p.toml", "project", True, whole)])

    assert policy.profile == profile or profile is None
    assert [allow.package for allow in full.allows if allow.source.startswith("/p")] == [
        "pkg:npm/esbuild@0.25.0"
    ]
    assert len(full.blocks) == 1
    assert "policy.deny-1" in {rule.id for rule in full.rules}


@pytest.mark.parametrize("lay", [lambda path: path.write_text(OURS), lambda path: path.symlink_to("nowhere")])
def test_init_overwrites_nothing(
    project: Path, lay: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A file, or a link that leads nowhere, stays as it is."""
    file = project / "pratique.toml"
    lay(file)
    before = (file.is_symlink(), file.exists())

    assert call("init") == 2
    assert "left as it is" in capsys.readouterr().err
    assert (file.is_symlink(), file.exists()) == before
    assert names(project) == [".git", "pratique.toml"]


def test_learn_shows_a_diff_and_writes_only_when_told(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The diff is all of stdout; `--write` appends, keeps text, mode and order; then there is nothing left."""
    file = project / "pratique.toml"
    file.write_text(OURS)
    file.chmod(0o640)
    keep(reported(connect()))

    assert call("learn") == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("--- pratique.toml\n+++ pratique.toml (proposed)\n")
    assert '+connect = ["203.0.113.9:443"]\n' in shown.out
    assert not [line for line in shown.out.splitlines() if line.startswith("-") and line[1] != "-"]
    assert "--write appends" in shown.err
    assert file.read_text() == OURS

    assert call("learn", "--last", "--write") == 0
    assert capsys.readouterr().out == shown.out
    assert file.read_text().startswith(f"{OURS}\n[[allow]]\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    written = file.read_text()

    assert call("learn", "--write") == 0
    again = capsys.readouterr()
    assert (again.out, file.read_text()) == ("", written)
    assert "nothing to propose; 1 act allowed already" in again.err
    assert "pratique policy trust" in again.err


def test_learn_begins_a_file_where_there_is_none(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a policy file the diff is from nothing, and the new file is readable by all."""
    keep(reported(connect()))

    assert call("learn", "--write") == 0
    assert capsys.readouterr().out.startswith("--- /dev/null\n")
    assert stat.S_IMODE((project / "pratique.toml").stat().st_mode) == 0o644
    assert names(project) == [".git", "pratique.toml"]


def test_learn_reads_runs_and_files(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Kept runs by their beginning and report files, as many as one likes, become one proposal."""
    keep(reported(connect(1), run_id="01JD3KZ0000000000000000001"))
    keep(reported(connect(2), run_id="01JD3KZ0000000000000000002"))
    (project / "r.json").write_text(json.dumps(reported(connect(3))))

    runs = ["--from", "01JD3KZ0000000000000000001", "--from", "01JD3KZ0000000000000000002"]
    assert call("learn", *runs, "--report", "r.json") == 0
    assert '"203.0.113.9:1", "203.0.113.9:2", "203.0.113.9:3"' in capsys.readouterr().out


def test_what_is_not_proposed_is_told_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One comment line per act and reason; nothing of it is written."""
    read = event(Act.FILE_READ, {"path": f"{sample.HOME}/.aws/credentials"}, rule="secrets.install")
    twice = event(
        Act.FILE_READ, {"path": f"{sample.HOME}/.aws/credentials"}, rule="taint.egress", action=Action.AUDIT
    )
    keep(reported(read, twice))

    assert call("learn", "--write") == 0
    said = capsys.readouterr()
    assert said.out.startswith("# not proposed: left-padder@1.0.2: read /home/dev/.aws/credentials: WARNING")
    assert said.out.endswith("(2 times)\n")
    assert said.out.count("\n") == 1
    assert not (project / "pratique.toml").exists()


def test_half_seen_runs_are_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that lost events or failed may need more than was seen."""
    told = reported(connect())
    told["run"] |= {"incomplete": True, "exit_status": 7}
    keep(told)

    assert call("learn") == 0
    said = capsys.readouterr().out
    assert "is incomplete" in said
    assert "ended with 7" in said


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "cannot be read"), ("{", "no JSON"), ("[" * 9999, "no JSON"), ("{}", '"run" is missing')],
)
def test_a_file_that_is_no_report(
    project: Path, content: str | None, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line and status 2; nothing is written."""
    if content is not None:
        (project / "r.json").write_text(content)

    assert call("learn", "--report", "r.json", "--write") == 2
    assert why in capsys.readouterr().err


def test_the_project_file_is_read_safely(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through no symbolic link; a mistake in it is told with its line; an array that cannot grow as well."""
    keep(reported(connect()))
    file = project / "pratique.toml"
    file.symlink_to("elsewhere.toml")
    (project / "elsewhere.toml").write_text(OURS)
    assert call("learn", "--write") == 2
    assert "symbolic link" in capsys.readouterr().err
    assert (project / "elsewhere.toml").read_text() == OURS

    file.unlink()
    file.write_text("profle = 1\n")
    assert call("learn", "--write") == 2
    assert "pratique.toml:1:" in capsys.readouterr().err
    file.write_text("allow = []\n")
    assert call("learn", "--write") == 2
    assert "nothing can be appended" in capsys.readouterr().err
    file.write_text(f"{OURS}#{'x' * (LARGEST - len(OURS) - 2)}\n")
    assert call("learn", "--write") == 2
    assert "larger than" in capsys.readouterr().err


def test_without_a_guard_nothing_is_learned(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command is run in audit mode, or not at all: 125."""
    asked: list[session.Request] = []

    def refuse(request: session.Request, meanwhile: object) -> session.Outcome:
        asked.append(request)
        raise GuardError("no BTF")

    monkeypatch.setattr(session, "guarded", refuse)
    monkeypatch.setattr(learn.early, "begin", lambda: None)

    assert call("learn", "--profile", "strict", "--", "pip", "install", "--last", "x") == 125
    (request,) = asked
    assert (request.argv, request.mode) == (["pip", "install", "--last", "x"], "audit")
    assert request.profile == "strict"
    assert capsys.readouterr().out == ""


def test_a_command_that_edits_the_policy_is_found_out(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What recorded code writes into the project's file is not taken for the user's: no diff hides it."""

    def observe(*_: object) -> Json:
        (project / "pratique.toml").write_text('[[allow]]\npackage = "pkg:npm/x"\nreason = "x"\n')
        return reported(connect())

    monkeypatch.setattr(learn, "_observe", observe)

    assert call("learn", "--write", "--", "true") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "was changed while the command ran" in said.err


def test_inside_a_run_nothing_is_learned(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outer run's guard would refuse what is to be observed."""
    monkeypatch.setattr(learn.nested, "outer_run", lambda _: "01JD3KZ0000000000000000000")

    assert call("learn", "--", "true") == 125


def test_an_empty_command_is_a_mistake(project: Path) -> None:
    """`learn --` with nothing after it does not fall back to another run."""
    keep(reported(connect()))

    assert call("learn", "--") == 2


def test_a_file_changed_meanwhile_is_kept(project: Path) -> None:
    """What somebody wrote after it was read is not overwritten, nor is a file that came into being."""
    file = project / "pratique.toml"
    file.write_text("# theirs\n")

    with pytest.raises(UsageError, match="changed meanwhile"):
        placing.replace(file, b"ours", b"# before\n")
    with pytest.raises(UsageError, match="exists"):
        placing.create(file, b"ours")
    assert file.read_text() == "# theirs\n"
    assert names(project) == [".git", "pratique.toml"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """A missing directory is an error with the place in it."""
    with pytest.raises(UsageError, match=r"cannot write .*gone"):
        placing.create(tmp_path / "gone" / "pratique.toml", b"")


HOSTILE = st.lists(
    st.sampled_from(["::error::x", "##[error]", "\x1b[2J", "\r", "\n", "/", "\u202e", "x", " ", "\u2028"]),
    max_size=6,
).map("".join)


@settings(max_examples=40, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_name_commands_a_terminal_or_a_ci_system(path: str, name: str, existing: str) -> None:
    """Whatever code called its files and hosts, and whatever a cloned project's policy says in comments."""
    told = reported(
        event(Act.FILE_WRITE, {"path": f"/srv/{path}"}),
        event(Act.FILE_READ, {"path": f"{sample.HOME}/.ssh/{path}"}),
        event(Act.NET_DNS, {"name": name}),
        purl=f"pkg:npm/{name}@1",
    )
    out = io.StringIO()
    before = "".join(f"#{line}\n" for line in existing.replace("\r", "").split("\n"))
    with contextlib.redirect_stdout(out), contextlib.suppress(UsageError):
        learn._show("pratique.toml", before, before + "#\n", learned(told))

    for line in out.getvalue().removesuffix("\n").split("\n"):
        assert one_line(line)
        assert not line.lstrip().startswith(("::", "##[", "\x1b"))
        assert "##[" not in line
