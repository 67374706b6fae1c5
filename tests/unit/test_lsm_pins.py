"""Pins of a run are told from a dead agent's by pid and start time; programs are chosen by the kernel's types."""

import os
from pathlib import Path

import pytest

from pratique.backends.lsm import pins
from pratique.backends.lsm.programs import ELSEWHERE, OBJECTS, PROGRAMS, fitting, function
from pratique.cli import doctor
from pratique.errors import GuardError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for the BPF file system."""
    monkeypatch.setattr(pins, "ROOT", tmp_path)
    return tmp_path


def test_own_folder_is_not_abandoned(root: Path) -> None:
    """A run that lives is nobody's to clean up."""
    made = pins.folder()

    assert list(pins.abandoned()) == []
    pins.remove(made)
    pins.remove(made)
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("name", [f"pratique-{os.getpid()}-1", "pratique-4194305-17", "pratique-x-y"])
def test_folder_of_another_agent_is_abandoned(root: Path, name: str) -> None:
    """A later process with the same number is another one, and a name that nobody gives is nobody's."""
    (root / name).mkdir()
    (root / name / "on_fork").write_text("")

    assert [path.name for path in pins.abandoned()] == [name]
    assert pins.clean_up() == [f"{root / name} removed"]
    assert pins.clean_up() == []


def test_other_peoples_pins_are_left_alone(root: Path) -> None:
    """Only what is named like ours is looked at."""
    (root / "cilium").mkdir()

    assert pins.clean_up() == []
    assert (root / "cilium").is_dir()


def test_no_bpf_file_system_is_an_error(root: Path) -> None:
    """Without it refusals would end with the agent: nothing is started."""
    root.rmdir()
    with pytest.raises(GuardError, match="refusals would end"):
        pins.folder()
    root.mkdir()


class Types:
    """Stands for the types of a kernel."""

    def __init__(self, functions: dict[str, int]) -> None:
        self._functions = functions

    def arguments(self, name: str) -> int | None:
        """As `KernelTypes` does."""
        return self._functions.get(name)


@pytest.mark.parametrize("attachment", list(OBJECTS))
def test_form_of_a_hook_is_chosen_by_its_arguments(attachment: str) -> None:
    """A program written for another form would read one argument for another: it is left out."""
    functions = {function(attachment, "perf_event_open"): 1, function(attachment, "bpf"): 4}
    found = [program.name for program in fitting(attachment, Types(functions))]  # type: ignore[arg-type]

    assert found == ["on_bpf_kernel", "on_perf"]


def test_every_program_is_in_the_source() -> None:
    """A program that is not listed would be loaded and attached nowhere."""
    probes = Path(__file__).parents[2] / "probes"
    text = "".join(path.read_text() for path in probes.glob("lsm_*.bpf.h"))

    assert {program.name for program in PROGRAMS} == {
        part.partition(",")[0] for part in text.split("long BPF_PROG(")[1:]
    }
    assert {program.hook for program in PROGRAMS} > ELSEWHERE


def test_doctor_says_why_a_stronger_backend_does_not_guard() -> None:
    """Falling to `hooks` is never silent."""
    tried = [
        {"backend": "lsm", "ok": False, "why": "the kernel refused\nlog", "mend": "", "lasting": True},
        {"backend": "hooks", "ok": True, "why": "", "mend": "", "lasting": False},
    ]

    assert doctor._stronger({"tried": tried}) == ["          not lsm: the kernel refused"]
