"""`pratique report` and `pratique replay` as people type them."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pratique.cli import replay, report
from pratique.errors import UsageError
from pratique.runs import store, trace
from pratique.runs.store import ReportFile
from unit import runs_sample as sample


def parsed(module: object, *words: str) -> argparse.Namespace:
    """Parse a command line of one sub-command."""
    parser = argparse.ArgumentParser()
    module.add_parser(parser.add_subparsers())
    return parser.parse_args(words)


@pytest.fixture
def one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with the sample run; its id."""
    monkeypatch.setattr(store.host, "state_dir", lambda: tmp_path)
    built = sample.built()
    store.Store().save(built)
    return str(built["run"]["id"])


@pytest.mark.parametrize("words", [(), ("--last",), ("01JD3K",)])
def test_report_shows_a_run(one_run: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """The last one by default, or by the beginning of its id."""
    assert report.run(parsed(report, "report", *words)) == 0
    assert f"run {one_run}" in capsys.readouterr().out


def test_report_formats(one_run: str, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON is the report itself, HTML the page, --allow the stanzas."""
    report.run(parsed(report, "report", one_run, "--format", "json"))
    assert json.loads(capsys.readouterr().out)["run"]["id"] == one_run
    report.run(parsed(report, "report", one_run, "--format", "html"))
    assert capsys.readouterr().out.startswith("<!doctype html>")
    report.run(parsed(report, "report", "--allow"))
    assert "[[allow]]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("how", "key"), [("sarif", "runs"), ("cyclonedx", "components"), ("in-toto", "subject")]
)
def test_formats_of_others(how: str, key: str, one_run: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One document on standard output, for a file or a pipe."""
    report.run(parsed(report, "report", one_run, "--format", how))
    assert json.loads(capsys.readouterr().out)[key]


def test_findings_of_many_runs_are_one_stream(one_run: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A SIEM takes lines, of however many runs."""
    report.run(parsed(report, "report", "--since", "1970-01-01", "--format", "ocsf"))
    lines = capsys.readouterr().out.splitlines()
    assert {json.loads(line)["metadata"]["correlation_uid"] for line in lines} == {one_run}


def test_since_lists_runs(one_run: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a run as text, a list as JSON."""
    report.run(parsed(report, "report", "--since", "1970-01-01"))
    assert capsys.readouterr().out.startswith(one_run)
    report.run(parsed(report, "report", "--since", "1970-01-01", "--format", "json"))
    assert [each["run"]["id"] for each in json.loads(capsys.readouterr().out)] == [one_run]
    report.run(parsed(report, "report", "--since", "1h"))
    assert "no run" in capsys.readouterr().out


def test_times_are_understood() -> None:
    """Ages, dates and instants; anything else is told what to say."""
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)

    assert report.moment("2h", now).hour == 10
    assert report.moment("2026-01-31").tzinfo is UTC
    assert report.moment("2026-01-31T08:00Z") == datetime(2026, 1, 31, 8, tzinfo=UTC)
    for wrong in ("yesterday", "999999w", ""):
        with pytest.raises(UsageError, match="no time"):
            report.moment(wrong)


def test_replay_prints_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recorded trace goes through the rules without a kernel."""
    from pratique.policy import cache

    monkeypatch.setattr(cache, "load", lambda _request: sample.policy())
    file = ReportFile(tmp_path / "t")
    trace.write(file, sample.refused(sample.started(sample.run(record=True))))
    file.close()

    assert replay.run(parsed(replay, "replay", str(tmp_path / "t"))) == 0
    assert "BLOCKED" in capsys.readouterr().out
