"""`pratique-server host`: enrolled hosts."""

import argparse
import json

from pratique_server.cli import opening
from pratique_server.queries import fleet
from pratique_server.queries.pages import MOST, Window


def add_parser(subparsers: opening.Parsers) -> None:
    """Declare `host list|show|revoke|revoke-certificate`."""
    parser = subparsers.add_parser("host", help="list, show and revoke hosts")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    opening.add_store(verbs.add_parser("list", help="hosts, the newest first"))
    for name, help_text in (("show", "all of one host, as JSON"), ("revoke", "let a host in no more")):
        verb = verbs.add_parser(name, help=help_text)
        verb.add_argument("host", metavar="ID")
        opening.add_store(verb)
    stolen = verbs.add_parser("revoke-certificate", help="deny one certificate of a host")
    stolen.add_argument("serial")
    opening.add_store(stolen)


def run(args: argparse.Namespace) -> int:
    """Do what the verb says; a revocation reaches running collectors within seconds."""
    with opening.store(args) as store:
        if args.verb == "revoke":
            store.enrolment.revoke(args.host)
            store.people.note(opening.me(), "host revoked", args.host)
        elif args.verb == "revoke-certificate":
            store.enrolment.revoke_certificate(args.serial)
            store.people.note(opening.me(), "certificate revoked", args.serial)
        else:
            with store.engine.connect() as connection:
                if args.verb == "show":
                    print(json.dumps(fleet.one(connection, args.host), indent=1))
                else:
                    rows = fleet.listed(connection, Window(limit=MOST)).items
                    opening.table(rows, "id", "name", "state", "backend", "agent", "seen")
    return 0
