"""Attempts to run what must not run."""

import mmap
import os
from pathlib import Path

from pratique.backends.attempts.base import Decoys, attempt


@attempt("exec.listed")
def _exec_listed(decoys: Decoys, evidence: Path) -> None:
    _run(decoys.home / "bin/crontab", evidence)


@attempt("priv.gain")
def _gain(decoys: Decoys, evidence: Path) -> None:
    _run(decoys.home / "bin/sudo", evidence)


@attempt("exec.memfd")
def _exec_memfd(decoys: Decoys, evidence: Path) -> None:
    memory = os.memfd_create("decoy")
    os.write(memory, _program(decoys))
    os.execve(memory, ["touch", str(evidence)], {})  # noqa: S606


@attempt("exec.deleted")
def _exec_deleted(decoys: Decoys, evidence: Path) -> None:
    path = _written(decoys, decoys.home / "deleted")
    program = os.open(path, os.O_RDONLY)
    path.unlink()
    os.execve(program, ["touch", str(evidence)], {})  # noqa: S606


@attempt("exec.hidden")
def _exec_hidden(decoys: Decoys, evidence: Path) -> None:
    _run(_written(decoys, Path(decoys.hidden)), evidence)


@attempt("exec.fresh")
def _exec_fresh(decoys: Decoys, evidence: Path) -> None:
    _run(_written(decoys, decoys.home / "fresh"), evidence)


@attempt("exec.loader")
def _exec_loader(decoys: Decoys, evidence: Path) -> None:
    mapped = Path("/proc/self/maps").read_text().split()
    loader = next(word for word in mapped if Path(word).name.startswith("ld-"))
    os.execv(loader, [loader, str(decoys.home / "bin/crontab"), str(evidence)])  # noqa: S606


@attempt("exec.map")
def _map(decoys: Decoys, evidence: Path) -> None:
    path = _written(decoys, decoys.home / "mapped")
    access = mmap.PROT_READ | mmap.PROT_EXEC
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, access):
        lines = Path("/proc/self/maps").read_text().splitlines()
        evidence.write_text(next(line for line in lines if line.endswith(str(path))))


def _program(decoys: Decoys) -> bytes:
    return (decoys.home / "bin/touch").read_bytes()


def _written(decoys: Decoys, path: Path) -> Path:
    path.write_bytes(_program(decoys))
    path.chmod(0o755)
    return path


def _run(program: Path, evidence: Path) -> None:
    # argv[0] matters where one binary is many commands.
    os.execve(program, ["touch", str(evidence)], {})  # noqa: S606
