"""Folders that are made for a rootless run, so that programs which installs fetch can be executed there."""

from pathlib import Path

from pratique.backends.rootless.rooms import Rooms


def test_what_is_used_stays_and_what_is_empty_goes(tmp_path: Path) -> None:
    """Installs keep what they fetched; a home in which nothing was put looks as before."""
    (tmp_path / ".config").mkdir()
    rooms = Rooms()
    rooms.of_home(str(tmp_path))
    made = tmp_path / ".cache" / "Cypress"
    assert made.is_dir()
    (made / "program").touch()
    rooms.close()

    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {".config", ".cache", ".cache/Cypress", ".cache/Cypress/program"}


def test_a_home_that_cannot_be_written_is_left_alone(tmp_path: Path) -> None:
    """No home, or a file in its place."""
    (tmp_path / "home").touch()
    rooms = Rooms()
    rooms.of_home(str(tmp_path / "home"))
    rooms.of_home("")
    rooms.close()

    assert [path.name for path in tmp_path.iterdir()] == ["home"]
