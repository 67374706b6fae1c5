"""Where reports are kept, and the file of `--report`."""

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pratique.errors import UsageError
from pratique.runs import ulid
from pratique.runs.store import ReportFile, Store
from unit import runs_sample as sample


def kept(store: Store, *seconds: int) -> list[str]:
    """Keep one report per moment; their ids."""
    ids = []
    for second in seconds:
        report = sample.built(sample.run(run_id=ulid.make(second)))
        report["run"]["started"] = datetime.fromtimestamp(second, UTC).isoformat()
        store.save(report)
        ids.append(report["run"]["id"])
    return ids


def test_reports_are_kept_and_found(tmp_path: Path) -> None:
    """By id, by its beginning, the last, and since a time."""
    store = Store(tmp_path / "runs")
    first, second = kept(store, 1_000_000, 2_000_000)

    assert store.load(first)["run"]["id"] == first
    assert store.load(second[:10].lower())["run"]["id"] == second
    assert store.last()["run"]["id"] == second
    assert [each["run"]["id"] for each in store.since(datetime.fromtimestamp(1_500_000, UTC))] == [second]


def test_only_the_owner_reads_them(tmp_path: Path) -> None:
    """The folder is 0700 and each file 0600."""
    store = Store(tmp_path / "state" / "runs")
    place = store.save(sample.built())

    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state", store.folder, place)] == [
        0o700,
        0o700,
        0o600,
    ]


def test_the_oldest_go(tmp_path: Path) -> None:
    """A bounded number is kept."""
    store = Store(tmp_path / "runs", kept=3)
    ids = kept(store, *range(1_000_000, 1_000_005))

    assert store.ids() == ids[-3:]


@pytest.mark.parametrize("asked", ["nothing", "../../etc/passwd", "0", "-x"])
def test_an_unknown_or_odd_run_is_refused(tmp_path: Path, asked: str) -> None:
    """No run, several runs, or a name that is a path: each is told what to do."""
    store = Store(tmp_path / "runs")
    kept(store, 1_000_000, 2_000_000)

    with pytest.raises(UsageError, match="--since"):
        store.load(asked)


def test_no_run_at_all_says_how_to_make_one(tmp_path: Path) -> None:
    """The empty state says what to do."""
    with pytest.raises(UsageError, match="pratique run"):
        Store(tmp_path / "none").last()


def test_a_report_file_appears_whole(tmp_path: Path) -> None:
    """Written beside and renamed; nothing else is left; readable by its owner only."""
    place = tmp_path / "report.json"
    file = ReportFile(place)
    assert list(tmp_path.iterdir()) == []

    file.write({"schema": "x"})
    file.close()

    assert json.loads(place.read_text()) == {"schema": "x"}
    assert list(tmp_path.iterdir()) == [place]
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_report_file_follows_no_symlink(tmp_path: Path) -> None:
    """Neither one that is there before, nor one the command plants meanwhile."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "early.json").symlink_to(victim)
    with pytest.raises(UsageError, match="no ordinary file"):
        ReportFile(tmp_path / "early.json")

    file = ReportFile(tmp_path / "late.json")
    (tmp_path / "late.json").symlink_to(victim)
    file.write({})
    file.close()

    assert victim.read_text() == "precious"
    assert not (tmp_path / "late.json").is_symlink()


def test_a_report_file_stays_in_its_directory(tmp_path: Path) -> None:
    """Exchanging the directory during the command does not redirect the report."""
    (tmp_path / "a").mkdir()
    file = ReportFile(tmp_path / "a" / "report.json")
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "a").symlink_to("/")

    file.write({})
    file.close()

    assert (tmp_path / "b" / "report.json").exists()


@pytest.mark.parametrize("place", ["missing/report.json", ".", ""])
def test_a_wrong_place_is_known_before_the_command(tmp_path: Path, place: str) -> None:
    """The error names the file and the mend."""
    with pytest.raises(UsageError, match="cannot write"):
        ReportFile(tmp_path / place if place else "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for others")
def test_a_report_belongs_to_who_typed_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through sudo the file is the person's, not root's."""
    monkeypatch.setenv("SUDO_UID", "1234")
    monkeypatch.setenv("SUDO_GID", "1235")
    file = ReportFile(tmp_path / "report.json")
    file.write({})
    file.close()

    found = (tmp_path / "report.json").stat()
    assert (found.st_uid, found.st_gid) == (1234, 1235)
