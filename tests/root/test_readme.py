"""What README.md tells a reader to type works, from an index of our own."""

from pathlib import Path

import pytest

from lab.guard import PRATIQUE, run
from lab.world import World
from readme import commands

_SHOWN = [command for command in commands(root=True) if command.startswith("pratique ")]
_NAMED = ("rich-1.0", "docopt-1.0")


@pytest.fixture
def readers_world(lab: None, tmp_path: Path) -> World:
    """Harmless stand-ins for the packages that README.md installs."""
    for name in _NAMED:
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name.partition('-')[0]}.py").touch()
    return World([tmp_path / name for name in _NAMED])


def test_commands_run_as_shown(guard: None, readers_world: World) -> None:
    """In the order of the page, as root, each command ends well."""
    with readers_world as world:
        (world.folder / "requirements.txt").write_text("rich\n")
        environment = world.environment()
        environment |= {
            "PATH": f"{environment['PATH']}:{PRATIQUE.parent}",
            "PIP_INDEX_URL": world.index.url,
            "PIP_TRUSTED_HOST": world.index.host,
            "PIP_TARGET": str(world.site),
        }

        ended = {shown: run(["bash", "-c", shown], environment, world.folder) for shown in _SHOWN}

    assert _SHOWN
    assert {shown: outcome.err for shown, outcome in ended.items() if outcome.status} == {}
