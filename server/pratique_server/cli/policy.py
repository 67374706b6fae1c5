"""`pratique-server policy`: what shall hold on every host. A policy takes two people, also here."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from pratique_server.cli import opening
from pratique_server.store.decisions import KINDS
from pratique_server.store.schema import approvals, blocks, policies
from pratique_server.store.store import Store


def add_parser(subparsers: opening.Parsers) -> None:
    """Declare `policy list|propose|accept|reject|approve|withdraw|block|lift|progress`."""
    parser = subparsers.add_parser(
        "policy", help="policy, approvals and blocks, and how far hosts are with them"
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    opening.add_store(verbs.add_parser("list", help="what holds and what was proposed"))
    propose = verbs.add_parser("propose", help="a policy file for somebody else to accept")
    propose.add_argument("file", type=Path)
    for name in ("approve", "block"):
        more = ", a digest or a host name" if name == "block" else ""
        verb = verbs.add_parser(name, help=f"{name} a package{more} on every host")
        verb.add_argument("purl", metavar="PURL")
        _decides(verb, reason=True)
    for name in ("accept", "reject", "withdraw", "lift"):
        verb = verbs.add_parser(name, help=f"{name} by number")
        verb.add_argument("number", type=int)
        _decides(verb)
    progress = verbs.add_parser("progress", help="which hosts have applied the newest version")
    progress.add_argument("kind", choices=KINDS)
    opening.add_store(progress)
    _decides(propose, reason=True)


def run(args: argparse.Namespace) -> int:
    """Do what the verb says; connected hosts hear of it within seconds."""
    with opening.store(args) as store:
        if args.verb == "list":
            _list(store)
        elif args.verb == "progress":
            rows = store.decisions.progress(args.kind, store.decisions.versions()[args.kind])
            opening.table(rows, "id", "state", "time", "problem")
        else:
            _decide(store, args)
    return 0


def _decides(parser: argparse.ArgumentParser, *, reason: bool = False) -> None:
    parser.add_argument("--as", dest="person", default=opening.me(), help="who decides [you]")
    if reason:
        parser.add_argument("--reason", required=True, help="why, shown to the people it hits")
    opening.add_store(parser)


def _decide(store: Store, args: argparse.Namespace) -> None:
    decisions, person = store.decisions, args.person
    subject = str(getattr(args, "purl", None) or getattr(args, "number", None) or args.file)
    calls: dict[str, Callable[[], int | None]] = {
        "propose": lambda: decisions.propose(args.file.read_text(), args.reason, person),
        "accept": lambda: decisions.decide(args.number, person, accept=True),
        "reject": lambda: decisions.decide(args.number, person, accept=False),
        "approve": lambda: decisions.approve(args.purl, args.reason, person),
        "withdraw": lambda: decisions.withdraw(args.number, person),
        "block": lambda: decisions.block(args.purl, args.reason, person),
        "lift": lambda: decisions.lift(args.number, person),
    }
    number = calls[args.verb]()
    store.people.note(person, args.verb, subject, getattr(args, "reason", ""))
    if number is not None:
        print(number)
    versions = decisions.versions()
    print("  ".join(f"{kind} {versions[kind]}" for kind in KINDS), file=sys.stderr)


def _list(store: Store) -> None:
    with store.engine.connect() as connection:
        for table, columns in (
            (policies, ("number", "state", "author", "decider", "reason")),
            (approvals, ("number", "purl", "author", "withdrawn", "reason")),
            (blocks, ("number", "purl", "author", "lifted", "reason")),
        ):
            rows = [
                dict(row) for row in connection.execute(select(table).order_by(table.c.number)).mappings()
            ]
            if rows:
                print(table.name)
                opening.table(rows, *columns)
