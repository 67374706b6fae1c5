"""Attempts on files: read, write, create, link, rename, remove, change."""

import os
import time
from pathlib import Path

from pratique.backends.attempts.base import Decoys, attempt

_LINGER = 1.0
"""Seconds for which the author of an act that can only be answered afterwards stays, to be killed."""


@attempt("file.read")
def _read(decoys: Decoys, evidence: Path) -> None:
    evidence.write_text((decoys.home / ".aws/credentials").read_text())


@attempt("file.read.linked")
def _read_linked(decoys: Decoys, evidence: Path) -> None:
    link = decoys.home / "innocent"
    link.hardlink_to(decoys.home / ".aws/credentials")
    evidence.write_text(link.read_text())


@attempt("file.write")
def _append(decoys: Decoys, _: Path) -> None:
    with (decoys.home / ".bashrc").open("a") as file:
        file.write(decoys.canary)


@attempt("file.write.managed")
def _append_managed(decoys: Decoys, _: Path) -> None:
    with (decoys.home / ".gitconfig").open("a") as file:
        file.write(decoys.canary)


@attempt("file.create.managed")
def _create_managed(decoys: Decoys, _: Path) -> None:
    (decoys.home / ".claude/decoy.json").write_text(decoys.canary)


@attempt("file.create")
def _create(decoys: Decoys, _: Path) -> None:
    (decoys.home / ".zshrc").write_text(decoys.canary)


@attempt("file.create.inside")
def _create_inside(decoys: Decoys, _: Path) -> None:
    (decoys.home / ".config/systemd/user/decoy.service").write_text(decoys.canary)


@attempt("file.create.directory")
def _create_directory(decoys: Decoys, _: Path) -> None:
    (decoys.home / ".config/autostart").mkdir()
    time.sleep(_LINGER)


@attempt("file.rename.onto")
def _rename_onto(decoys: Decoys, evidence: Path) -> None:
    _planted(decoys, evidence).rename(decoys.home / ".profile")


@attempt("file.rename.into")
def _rename_into(decoys: Decoys, evidence: Path) -> None:
    _planted(decoys, evidence).rename(decoys.home / ".zprofile")
    time.sleep(_LINGER)


@attempt("file.rename.parent")
def _rename_parent(decoys: Decoys, _: Path) -> None:
    (decoys.home / ".config/held").rename(decoys.home / ".config/moved")


@attempt("file.link")
def _link(decoys: Decoys, evidence: Path) -> None:
    (decoys.home / ".zlogin").hardlink_to(_planted(decoys, evidence))
    time.sleep(_LINGER)


@attempt("file.link.symbolic")
def _link_symbolic(decoys: Decoys, evidence: Path) -> None:
    (decoys.home / ".zlogout").symlink_to(_planted(decoys, evidence))
    time.sleep(_LINGER)


@attempt("file.remove")
def _remove(decoys: Decoys, _: Path) -> None:
    (decoys.home / ".bash_profile").unlink()


@attempt("file.truncate")
def _truncate(decoys: Decoys, _: Path) -> None:
    os.truncate(decoys.home / ".bash_login", 0)


@attempt("file.setattr")
def _setattr(decoys: Decoys, _: Path) -> None:
    (decoys.home / ".bash_logout").chmod(0o777)


def _planted(decoys: Decoys, evidence: Path) -> Path:
    planted = decoys.home / f"planted-{evidence.name}"
    planted.write_text(decoys.canary)
    return planted
