"""The command line: what it imports, what it answers, and with which status."""

import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pratique import cli, errors

ROOT = Path(__file__).parents[2]


def _raising(error: BaseException) -> SimpleNamespace:
    def add_parser(subparsers: object) -> None:
        subparsers.add_parser("run")  # type: ignore[attr-defined]

    def run(_: Namespace) -> int:
        raise error

    return SimpleNamespace(add_parser=add_parser, run=run)


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (
            errors.GuardError("no BTF", "boot a kernel that has it"),
            125,
            "pratique: no BTF; boot a kernel that has it\n",
        ),
        (errors.ConfigError("pratique.toml:7: unknown key"), 2, "pratique: pratique.toml:7: unknown key\n"),
        (errors.UsageError("no command"), 2, "pratique: no command\n"),
        (errors.ConfigError("a\n::error::\x1b[2Jb\udc80"), 2, "pratique: a\\n::error::\\x1b[2Jb\\udc80\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_expected_failure_is_one_line_and_a_status(
    error: BaseException,
    status: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What failed and the mend stand on one line of stderr, hostile bytes escaped."""
    monkeypatch.setattr(cli, "_module", lambda _: _raising(error))

    assert (status, line) == (cli.main(["run"]), capsys.readouterr().err)


def test_a_defect_of_ours_is_not_taken_for_the_commands_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unexpected exception of `run` means "not guarded" (125), with its traceback for the report."""
    monkeypatch.setattr(cli, "_module", lambda _: _raising(RuntimeError("bug")))

    assert cli.main(["run"]) == 125
    assert "RuntimeError: bug" in capsys.readouterr().err


def test_nothing_asked_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """`pratique` alone lists its commands, on stderr and with the status of a mistake."""
    assert cli.main([]) == 2
    said = capsys.readouterr().err
    assert [name for name in cli.COMMANDS if not re.search(rf"  {name}\s", said)] == []


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_an_unknown_option_names_itself_and_its_command(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt option is quoted, with the help to read; nothing is started."""
    given = {
        "rules": ["rules", "list"],
        "policy": ["policy", "check"],
        "replay": ["replay", "trace"],
        "telemetry": ["telemetry", "status"],
    }
    given |= {name: [name, "pkg:pypi/x@1"] for name in ("approve", "forget")}
    assert cli.main([*given.get(name, [name]), "--proflie"]) == 2
    assert f"'--proflie'; pratique {name} --help" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["nonsense"], ["--nonsense"]])
def test_a_mistake_is_a_usage_error(words: list[str]) -> None:
    """Mistakes on the command line exit with 2, as everywhere."""
    with pytest.raises(SystemExit) as exited:
        cli.main(words)
    assert exited.value.code == 2


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_sub_command_has_its_module(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`pratique COMMAND --help` works for every command that `pratique --help` lists."""
    with pytest.raises(SystemExit) as exited:
        cli.parse([name, "--help"])
    assert exited.value.code == 0
    assert f"pratique {name}" in capsys.readouterr().out


def test_run_keeps_the_commands_words_as_they_are() -> None:
    """Options of the guarded command are its own, also a second `--`."""
    args = cli.parse(["run", "--quiet", "--", "pip", "install", "--quiet", "rich", "--", "-x"])

    assert [word for word in args.command if word][-6:] == ["pip", "install", "--quiet", "rich", "--", "-x"]
    assert args.quiet


def test_python_m_is_the_command() -> None:
    """`python -m pratique` and `pratique` are one."""
    done = subprocess.run(
        [sys.executable, "-m", "pratique", "--version"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={"PYTHONPATH": str(ROOT / "agent")},
    )
    assert done.stdout.startswith("pratique ")


def test_output_cut_short_is_no_error() -> None:
    """`pratique rules list | head -1` prints one line, and no traceback."""
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m pratique rules list | head -1"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PYTHONPATH": str(ROOT / "agent"), "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
