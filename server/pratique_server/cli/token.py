"""`pratique-server token`: join tokens for hosts."""

import argparse

from pratique.api.tokens import JoinToken
from pratique_server.cli import opening
from pratique_server.pki.authority import open_authority

_HOUR = 3_600


def add_parser(subparsers: opening.Parsers) -> None:
    """Declare `token create|list`."""
    parser = subparsers.add_parser("token", help="make and list join tokens for hosts")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    create = verbs.add_parser("create", help="a token that lets one host in")
    opening.add_store(create)
    create.add_argument("--hours", type=float, default=1.0, help="how long it may be used [1]")
    create.add_argument("--note", default="", help="what it is for")
    opening.add_store(verbs.add_parser("list", help="tokens, and the hosts that used them"))


def run(args: argparse.Namespace) -> int:
    """Do what the verb says."""
    configured = opening.config(args)
    with opening.store(args) as store:
        if args.verb == "list":
            opening.table(store.enrolment.tokens(), "created", "expires", "used", "host_id", "author", "note")
            return 0
        token = JoinToken.make(open_authority(configured.data / "pki", configured.domain).certificate)
        seconds = int(args.hours * _HOUR)
        store.enrolment.make_token(token.secret_digest, args.note, opening.me(), seconds)
        store.people.note(opening.me(), "join token made", args.note)
    print(token)
    return 0
