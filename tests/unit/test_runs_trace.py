"""Traces: what is written can be replayed, under other rules too; what is read is not trusted."""

import contextlib
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.errors import UsageError
from pratique.model import Kind
from pratique.policy.model import Allow
from pratique.runs import report, trace
from pratique.runs.run import Run
from pratique.runs.store import ReportFile
from pratique.words import Act, Action
from unit import runs_sample as sample


def recorded(path: Path, run: Run | None = None) -> trace.Trace:
    """Write the sample as a trace and read it back."""
    file = ReportFile(path)
    trace.write(
        file,
        run or sample.refused(sample.started(sample.run(record=True))),
        report.Ending(coverage=sample.COVERAGE),
    )
    file.close()
    return trace.read(path)


def test_replay_gives_the_same_report(tmp_path: Path) -> None:
    """Under the same rules the findings, packages, tree and counts are those of the run."""
    again = trace.replay(recorded(tmp_path / "t"), sample.policy(), sample.MANAGERS)
    first, second = sample.built(), report.build(*again)

    for key in ("findings", "packages", "egress", "coverage", "policy"):
        assert second[key] == first[key]
    assert second["run"]["verdict"] == "blocked"
    assert [row["pid"] for row in second["tree"] if row["finding"]] == [
        row["pid"] for row in first["tree"] if row["finding"]
    ]


def test_replay_judges_by_the_rules_given(tmp_path: Path) -> None:
    """A rule that now only audits, and an allow for the verified package, change the outcome."""
    read = trace.read
    softer = sample.rule("read-secrets", Act.FILE_READ, "secrets.aws", Action.AUDIT)
    allow = Allow("pkg:npm/left-padder", "reason", connect=("203.0.113.9:8443",))
    policy = sample.policy(
        softer, sample.rule("script-egress", Act.NET_CONNECT, "net.global"), allows=(allow,)
    )

    found = trace.replay(recorded(tmp_path / "t"), policy, sample.MANAGERS)[0].findings

    assert read is trace.read
    assert [(each.rule, each.action) for each in found] == [("read-secrets", Action.AUDIT)]


def test_numbers_of_folded_acts_are_kept(tmp_path: Path) -> None:
    """What one event stands for is in its trace."""
    run = sample.started(sample.run(record=True))
    run.add(sample.acted(4121, Act.NET_CONNECT, Action.ALLOW, {"address": "127.0.0.1", "port": 9}, times=7))

    again = trace.replay(recorded(tmp_path / "t", run), sample.policy(), sample.MANAGERS)[0]

    assert again.egress == run.summary().egress


def test_a_trace_is_redacted(tmp_path: Path) -> None:
    """It is an output like any other."""
    run = sample.started(sample.run(record=True, environment={"A_SECRET": "canary1"}))
    run.add(
        sample.execed(4130, 4121, ["curl", "--token", "canary2", "https://u:canary3@example.org"], origin=1)
    )
    recorded(tmp_path / "t", run)

    assert b"canary" not in (tmp_path / "t").read_bytes()


def test_hostile_names_survive(tmp_path: Path) -> None:
    """Undecodable bytes in names come back as they were."""
    run = sample.started(sample.run(record=True))
    run.add(sample.acted(4121, Act.FILE_READ, Action.DENY, {"path": "/\udcff\x1b"}, rule="read-secrets"))

    items = recorded(tmp_path / "t", run).items

    assert items[-1].target["path"] == "/\udcff\x1b"
    assert items[0].kind is Kind.EXEC


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\x81\xa5trace\xa1x", msgpack.packb({"trace": trace.FORMAT}), msgpack.packb([1])]
)
def test_what_is_no_trace_is_refused(tmp_path: Path, data: bytes) -> None:
    """Cut, foreign and empty files are told apart from ours, without a traceback."""
    (tmp_path / "t").write_bytes(data)

    with pytest.raises(UsageError):
        trace.read(tmp_path / "t")


@given(cut=st.integers(0, 3000), junk=st.binary(max_size=40))
def test_a_damaged_trace_never_breaks_the_reader(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes
) -> None:
    """Whatever is cut out or put in, the answer is a trace or a plain error."""
    folder = tmp_path_factory.mktemp("trace")
    recorded(folder / "t")
    data = (folder / "t").read_bytes()
    (folder / "t").write_bytes(data[:cut] + junk + data[cut + len(junk) :])

    with contextlib.suppress(UsageError):
        trace.read(folder / "t")
