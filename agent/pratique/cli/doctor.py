"""`pratique doctor`: am I guarded, by what; what is not covered and what would cover it; is anything left over."""

import argparse
import json
import platform
import sys
from typing import Any

from pratique import __version__, host, managers
from pratique.backends import choice, condition, memory, proof
from pratique.backends.base import Backend, Host, Support
from pratique.backends.lsm import pins
from pratique.errors import GuardError
from pratique.model import Coverage
from pratique.words import Level

_NO_GUARD = 125


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the options of DESIGN section 9."""
    parser = subparsers.add_parser("doctor", help="show what guards this host and what it does not cover")
    parser.add_argument("--json", action="store_true", help="print the same as JSON")
    parser.add_argument(
        "--cleanup", action="store_true", help="end and remove what killed runs left behind, and print that"
    )


def run(args: argparse.Namespace) -> int:
    """Prove coverage anew and print it; 0 when a backend guards here, else 125."""
    if args.cleanup:
        print("\n".join(pins.clean_up() or ["nothing was left over"]))
        return 0
    memory.forget()
    found = _examine()
    if args.json:
        json.dump(found, sys.stdout, indent=2)
        print()
    else:
        print("\n".join(_lines(found)))
    return 0 if found["guarded"] else _NO_GUARD


def _examine() -> dict[str, Any]:
    machine = Host(host.homes({}), "/", managers.patterns())
    tried = [(backend, choice.supported(backend)) for backend in choice.every(machine)]
    working = next((backend for backend, support in tried if support.ok), None)
    rows, trouble = _prove(working) if working else ([], None)
    return {
        "version": __version__,
        "kernel": platform.release(),
        "guarded": bool(rows),
        "backend": working.name if working else None,
        "trouble": trouble,
        "tried": [{"backend": backend.name, **support._asdict()} for backend, support in tried],
        "coverage": [_row(row) for row in rows],
        "gaps": list(working.gaps()) if working else [],
        "host": condition.facts(),
        "left_over": condition.left_over(),
    }


def _prove(backend: Backend) -> tuple[list[Coverage], str | None]:
    try:
        return memory.coverage(backend), None
    except GuardError as error:
        return [], str(error)


def _row(row: Coverage) -> dict[str, Any]:
    return {
        "act": row.act.word,
        "when": row.when,
        "level": row.level.word,
        "reason": row.reason,
        "scenario": row.scenario,
    }


def _lines(found: dict[str, Any]) -> list[str]:
    parts = [_guarded(found), _covered(found), _uncovered(found), [*_host(found), *_left_over(found)]]
    told = [line for part in parts if part for line in [*part, ""]]
    return told[:-1]


def _guarded(found: dict[str, Any]) -> list[str]:
    head = f"pratique {found['version']}  kernel {found['kernel']}"
    if found["guarded"]:
        guarded = f"guarded   yes, by the {found['backend']} backend: `pratique run -- COMMAND`"
        return [head, guarded, *_stronger(found)]
    lines = [head, "guarded   NO: `pratique run` will not start anything here"]
    if found["trouble"]:
        lines.append(f"          {found['backend']}: {found['trouble']}")
    for tried in found["tried"]:
        support = Support(tried["ok"], tried["why"], tried["mend"])
        if not support.ok:
            lines += [f"          {tried['backend']}: {support.why}", f"          mend: {support.mend}"]
    return lines


def _stronger(found: dict[str, Any]) -> list[str]:
    """Why the backends before the one that works do not."""
    lines = []
    for tried in found["tried"]:
        if tried["ok"]:
            break
        lines += [f"          not {tried['backend']}: {line}" for line in tried["why"].splitlines()[:1]]
    return lines


def _covered(found: dict[str, Any]) -> list[str]:
    rows = found["coverage"]
    if not rows:
        return []
    lines = [
        "coverage  each row proved just now by an attempt in a guarded child, with the guard off as control"
    ]
    columns = [max(len(row[name]) for row in rows) for name in ("level", "act", "when")]
    level, act, when = columns
    return lines + [
        f"  {row['level']:<{level}}  {row['act']:<{act}}  {row['when']:<{when}}  {row['reason']}"
        for row in rows
    ]


def _uncovered(found: dict[str, Any]) -> list[str]:
    weak = [row for row in found["coverage"] if row["level"] in (Level.BLIND.word, Level.KILLED_AFTER.word)]
    untried = [row for row in weak if row["reason"].startswith(proof.UNTRIED)]
    lines = _listed("not tried: here nobody can do these, guarded or not", untried)
    weak = [row for row in weak if row not in untried]
    lines += _listed("not covered, or only after the act", weak)
    if weak:
        lines.append(
            "  a kernel in which BPF LSM programs refuse would cover these (backend lsm, docs/coverage.md)"
        )
    return [*lines, *_gaps(found)]


def _listed(title: str, rows: list[dict[str, Any]]) -> list[str]:
    return [title, *(f"  {row['act']:<13} {row['when']}: {row['reason']}" for row in rows)] if rows else []


def _gaps(found: dict[str, Any]) -> list[str]:
    return ["gaps of this host", *(f"  {line}" for line in found["gaps"])] if found["gaps"] else []


def _host(found: dict[str, Any]) -> list[str]:
    return ["host", *(f"  {name:<22} {value}" for name, value in found["host"].items())]


def _left_over(found: dict[str, Any]) -> list[str]:
    left = found["left_over"]
    return ["left over", *(f"  {line}" for line in left)] if left else ["left over               nothing"]
