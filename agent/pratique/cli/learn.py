"""`pratique learn`: propose the smallest `[[allow]]` set that a run needs, as a diff of the project's policy file."""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pratique import backends, nested
from pratique.backends.hooks import early
from pratique.errors import ConfigError, GuardError, UsageError

if TYPE_CHECKING:  # the compiler's modules are heavy; the command starts before they are needed
    from pratique.policy.learning import Proposal
    from pratique.policy.sources import Text
    from pratique.policy.tried import Tried

Json = dict[str, Any]

_NO_GUARD = 125
_LARGEST_REPORT = 256 << 20
_USAGE = "pratique learn [--from RUN] [--last] [--report FILE] [options] [-- COMMAND [ARGUMENT ...]]"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `pratique learn`."""
    parser = subparsers.add_parser(
        "learn", help="propose the [[allow]] stanzas that a run needs, as a diff", usage=_USAGE
    )
    parser.add_argument("--from", dest="runs", action="append", default=[], metavar="RUN", help="a kept run")
    parser.add_argument("--last", action="store_true", help="the newest run (the default without COMMAND)")
    parser.add_argument("--report", action="append", default=[], metavar="FILE", help="what --report wrote")
    parser.add_argument("--write", action="store_true", help="append the stanzas to the project's file")
    parser.add_argument(
        "--any-version", action="store_true", help="allow every version of each package, whatever its digest"
    )
    parser.add_argument(
        "--include-secrets", action="store_true", help="propose reads of secrets and what followed them"
    )
    parser.add_argument("--profile", choices=("standard", "strict"), help="which rules COMMAND runs under")
    parser.add_argument("--backend", choices=backends.NAMES, default="auto", help="how COMMAND is guarded")
    parser.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        metavar="-- COMMAND",
        help="run it in audit mode: nothing is refused",
    )


def run(args: argparse.Namespace) -> int:
    """Propose, and write where asked; COMMAND's status, 125 when it could not be guarded, else 0."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command and args.command:
        raise UsageError("no command to run", f"usage: {_USAGE}")
    from pratique.policy import placing  # noqa: PLC0415  (`--help` needs none of it)

    path = placing.project_file()
    seen = placing.current(path)  # before the command: while it is only recorded, it may write anything
    reports = list(_kept(args, asked=bool(command)))
    status = 0
    if command:
        observed = _observe(command, args)
        status = int(observed["run"]["pratique_status"])
        if observed["run"]["guard_lost"] is not None:
            return _NO_GUARD
        reports.append(observed)
    if placing.current(path) != seen:
        raise UsageError(
            f"{path} was changed while the command ran", "look at what it says now, then learn again"
        )
    _propose(reports, args, path, seen)
    return status


def _kept(args: argparse.Namespace, asked: bool) -> Iterator[Json]:
    """The reports that were named, read before any command starts."""
    from pratique.runs.store import Store  # noqa: PLC0415  (`--help` needs none of it)

    store = Store()
    yield from (store.load(run) for run in args.runs)
    yield from map(_file, args.report)
    if args.last or not (args.runs or args.report or asked):
        yield store.last()


def _file(name: str) -> Json:
    try:
        with Path(name).open("rb") as file:
            report: Json = json.loads(file.read(_LARGEST_REPORT))
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}", "name a report") from error
    except (ValueError, RecursionError) as error:
        raise _no_report(name, "it is no JSON") from error
    list(_tried([report], name))
    return report


def _observe(command: list[str], args: argparse.Namespace) -> Json:
    """Run the command under guard in audit mode, tell of it as `run` does, and give its report."""
    outer = nested.outer_run(os.environ)
    if outer is not None:
        raise GuardError(f"already guarded by run {outer}", f"then: pratique learn --from {outer}")
    if os.geteuid() == 0:
        early.begin()
    from pratique.session import Request, guarded  # noqa: PLC0415  (while the programs load)

    request = Request(
        command, str(_here()), dict(os.environ), profile=args.profile, mode="audit", backend=args.backend
    )
    print("pratique: recording only: nothing is refused while learning", file=sys.stderr, flush=True)
    outcome = guarded(request, meanwhile=lambda: None)
    from pratique.cli import outcomes  # noqa: PLC0415  (after the command only)
    from pratique.runs.store import Store  # noqa: PLC0415

    try:
        outcomes.tell(outcome, "none", False, None, None)
    finally:
        outcome.closing.join()
    return Store().load(outcome.run.id)


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise UsageError("the current directory no longer exists", "cd to another one") from error


def _propose(reports: list[Json], args: argparse.Namespace, path: Path, seen: bytes | None) -> None:
    from pratique import host  # noqa: PLC0415  (after the command only)
    from pratique.policy import ground, learning, sources  # noqa: PLC0415

    request = sources.Request(str(Path.home()), str(path.parent))
    others = [text for text in sources.gather(request) if text.kind != "project"]
    on = ground.ground([*others, *_own(path, seen)], host.homes(os.environ), str(path.parent))
    choices = learning.Choices(args.any_version, args.include_secrets)
    proposal = learning.learn(_tried(reports), on, choices)
    file = (seen or b"").decode()
    after = learning.appended(file, proposal.stanzas) if proposal.stanzas else file
    if proposal.stanzas:
        _check([*others, *_own(path, after.encode())], path)
    _show(path.name if seen is not None else None, file, after, proposal)
    for report in reports:
        _warn(report)
    written = bool(args.write and proposal.stanzas)
    if written:
        _write(path, seen, after)
    _sum_up(proposal, written, _waits_for_trust(path, seen))


def _check(texts: "list[Text]", path: Path) -> None:
    """What is proposed must load; an inline `allow = []` is one thing that cannot grow."""
    from pratique.policy.compile import compile_policy  # noqa: PLC0415  (after the command only)

    try:
        compile_policy(texts)
    except ConfigError as error:
        raise UsageError(
            f"nothing can be appended to {path}: {error.what}", "write its allows as [[allow]]"
        ) from error


def _tried(reports: list[Json], name: str = "") -> "Iterator[Tried]":
    from pratique.policy.tried import tried  # noqa: PLC0415  (after the command only)

    for report in reports:
        try:
            yield from tried(report)
        except ValueError as error:
            raise _no_report(name or "the report", str(error)) from error


def _no_report(name: str, why: str) -> UsageError:
    return UsageError(f"{name} is no pratique.report/v1: {why}", "name what `run --report` wrote")


def _own(path: Path, data: bytes | None) -> "list[Text]":
    """The project's file as if it were trusted: what it allows need not be proposed again."""
    from pratique.policy.sources import LARGEST, Text  # noqa: PLC0415  (after the command only)

    if data is not None and len(data) > LARGEST:
        raise UsageError(
            f"{path} would be larger than {LARGEST} bytes", "learn from fewer runs, or narrower ones"
        )
    return [] if data is None else [Text(str(path), "project", True, data)]


def _show(name: str | None, before: str, after: str, proposal: "Proposal") -> None:
    """The diff, then one comment line for each thing that is not proposed."""
    from pratique.policy import placing  # noqa: PLC0415  (after the command only)

    lines = unified_diff(
        _lines(before),
        _lines(after),
        name or os.devnull,
        f"{placing.NAME} (proposed)",
        lineterm="",
    )
    for line in lines:
        _print(line)
    told = Counter(_told(act, why) for act, why in proposal.left)
    for line, count in sorted(told.items()):
        _print(f"# not proposed: {line}" + (f" ({count} times)" if count > 1 else ""))


def _lines(text: str) -> list[str]:
    """Lines as TOML counts them; `splitlines` knows more breaks."""
    return text.removesuffix("\n").split("\n") if text else []


def _told(act: "Tried", why: str) -> str:
    from pratique.runs import phrases  # noqa: PLC0415  (after the command only)

    finding: Json = {
        "actor": act.actor,
        "package": act.identity.purl,
        "candidates": [],
        "act": act.act.word,
        "target": act.target,
    }
    return f"{phrases.who(finding)}: {phrases.verb(finding)} {phrases.target(finding)}: {why}"


def _print(line: str) -> None:
    from pratique.runs.escape import harmless_line, visible  # noqa: PLC0415  (after the command only)

    encoding = sys.stdout.encoding or "ascii"
    print(harmless_line(visible(line)).encode(encoding, "backslashreplace").decode(encoding))


def _warn(report: Json) -> None:
    run = report["run"]
    if run.get("incomplete"):
        _print(f"# run {run['id']} is incomplete: it may need more than was seen")
    if run.get("exit_status"):
        _print(f"# run {run['id']} ended with {run['exit_status']}: what it would have done next is not here")


def _write(path: Path, seen: bytes | None, after: str) -> None:
    from pratique.policy import placing  # noqa: PLC0415  (after the command only)

    if seen is None:
        placing.create(path, after.encode())
    else:
        placing.replace(path, after.encode(), seen)


def _waits_for_trust(path: Path, seen: bytes | None) -> bool:
    """Whether there is a project file that nobody has trusted as it is."""
    from pratique import host  # noqa: PLC0415  (after the command only)
    from pratique.policy import sources, trust  # noqa: PLC0415

    text = sources.Text(str(path), "project", False, seen or b"")
    return seen is not None and not trust.is_trusted(host.state_dir(), text.path, text.digest)


def _sum_up(proposal: "Proposal", written: bool, untrusted: bool) -> None:
    """What to do next, on stderr: standard output is the diff."""
    from pratique.runs.phrases import plural  # noqa: PLC0415  (after the command only)

    said = [
        f"{plural(len(proposal.stanzas), 'stanza')} proposed" if proposal.stanzas else "nothing to propose"
    ]
    if proposal.known:
        said.append(f"{plural(len(proposal.known), 'act')} allowed already")
    if proposal.stanzas and not written:
        said.append("--write appends what is proposed")
    elif written or (untrusted and proposal.known):
        said.append("look the file over and edit the reasons, then: pratique policy trust")
    print(f"pratique: {'; '.join(said)}", file=sys.stderr)
