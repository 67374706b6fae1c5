"""`pratique-server user`: people, and tokens for the query API."""

import argparse
import getpass

from pratique_server.cli import opening
from pratique_server.store.people import ROLES

_DAY = 86_400


def add_parser(subparsers: opening.Parsers) -> None:
    """Declare `user add|list|disable|token`."""
    parser = subparsers.add_parser("user", help="people who may ask and decide")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add = verbs.add_parser("add", help="a new user")
    add.add_argument("--role", choices=ROLES, default=ROLES[0])
    add.add_argument("--password", action="store_true", help="ask for a password")
    token = verbs.add_parser("token", help="a token for the query API, shown once")
    token.add_argument("--days", type=int, help="how long it lasts [for ever]")
    token.add_argument("--note", default="", help="what it is for")
    disable = verbs.add_parser("disable", help="let somebody in no more")
    for verb in (add, token, disable):
        verb.add_argument("name")
        opening.add_store(verb)
    opening.add_store(verbs.add_parser("list", help="users and their roles"))


def run(args: argparse.Namespace) -> int:
    """Do what the verb says."""
    with opening.store(args) as store:
        people = store.people
        if args.verb == "list":
            opening.table(people.all(), "name", "role", "created", "disabled")
        elif args.verb == "add":
            people.add(args.name, args.role, getpass.getpass() if args.password else None)
            people.note(opening.me(), "user added", args.name, args.role)
        elif args.verb == "disable":
            people.disable(args.name)
            people.note(opening.me(), "user disabled", args.name)
        else:
            print(people.make_token(args.name, args.note, args.days and args.days * _DAY))
            people.note(opening.me(), "API token made", args.name, args.note)
    return 0
