"""`pratique-server serve`: everything one collector is, in one process."""

import argparse
import asyncio
import gc
import logging
import os
import platform
import resource
import secrets
import signal
import socket
import sys
from dataclasses import replace

from pratique.api.tokens import JoinToken
from pratique_server.cli import opening
from pratique_server.config import Address, Config, address
from pratique_server.exports import sinks
from pratique_server.store.store import Store
from pratique_server.web.provider import Settings

_TOKEN_SECONDS = 3_600
_SWITCH, _GARBAGE = 0.0005, 50_000


def add_parser(subparsers: opening.Parsers) -> None:
    """Declare the options."""
    parser = subparsers.add_parser("serve", help="start the collector")
    opening.add_store(parser)
    parser.add_argument("--grpc", metavar="ADDR", help="for enrolled hosts [0.0.0.0:7443]")
    parser.add_argument("--enrol", metavar="ADDR", help="for hosts that want in [the port beside]")
    parser.add_argument("--ui", metavar="ADDR", help="for people and programs, HTTP [127.0.0.1:7480]")
    parser.add_argument("--name", action="append", metavar="NAME", help="by which hosts reach it; repeatable")
    told = "where new findings go: webhook=URL, ocsf=URL, otlp=URL or syslog=HOST:PORT; repeatable; "
    told += "$PRATIQUE_SERVER_SECRET signs what goes over HTTP"
    parser.add_argument("--send", action="append", metavar="SINK", default=[], help=told)
    proxied = "a proxy that ends TLS stands before --ui, at these addresses [127.0.0.1,::1]"
    parser.add_argument(
        "--behind-proxy", metavar="ADDRS", nargs="?", const="127.0.0.1,::1", default="", help=proxied
    )
    vouched = "people may sign in with this OpenID Connect provider; $PRATIQUE_SERVER_OIDC_SECRET is our secret there"
    parser.add_argument("--oidc", metavar="ISSUER", help=vouched)
    parser.add_argument("--oidc-client", metavar="ID", default="", help="what the provider knows us as")
    given = "who of its people may what, by their groups; * is everybody; repeatable"
    parser.add_argument("--oidc-role", metavar="ROLE=GROUP", action="append", default=[], help=given)
    parser.add_argument("--keep-days", type=int, default=0, metavar="N", help="forget what is older [never]")


def run(args: argparse.Namespace) -> int:
    """Serve until a signal; 0 after an orderly end."""
    # Said before gRPC is loaded: this process never forks.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    import uvloop  # noqa: PLC0415 -- as above

    configured = _configured(args)
    for said in configured.sinks:
        sinks.sink(said)  # a mistake is told before anything is started
    with opening.store(args) as store:
        uvloop.run(_serve(configured, store))
    return 0


def _configured(args: argparse.Namespace) -> Config:
    given = opening.config(args)
    grpc = address(args.grpc) if args.grpc else given.grpc
    beside = replace(grpc, port=grpc.port + 1 if grpc.port else 0)
    return replace(
        given,
        grpc=grpc,
        enrol=address(args.enrol) if args.enrol else beside,
        web=address(args.ui) if args.ui else given.web,
        names=(*(args.name or _own_name()), *given.names),
        keep_days=args.keep_days,
        sinks=tuple(args.send),
        behind_proxy=args.behind_proxy,
        provider=_provider(args) if args.oidc else None,
    )


def _provider(args: argparse.Namespace) -> Settings:
    roles = dict(each.partition("=")[::2] for each in args.oidc_role)
    secret = os.environ.get("PRATIQUE_SERVER_OIDC_SECRET", "")
    settings = Settings(args.oidc, args.oidc_client, secret, roles)
    settings.check()
    return settings


def _own_name() -> list[str]:
    """The name of this machine, where others could find it by that."""
    name = platform.node()
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return []
    return [name] if name else []


async def _serve(configured: Config, store: Store) -> None:
    from pratique_server.collector import Collector  # noqa: PLC0415 -- loads gRPC
    from pratique_server.pki.authority import open_authority  # noqa: PLC0415 -- as above

    authority = open_authority(configured.data / "pki", configured.domain)
    collector = Collector(configured, store, authority)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await collector.start()
    _tune()
    print(f"hosts      {collector.grpc}")
    print(f"enrolment  {collector.enrol}")
    print(f"people     http://{collector.web}")
    _welcome(configured, store, JoinToken.make(authority.certificate), collector.enrol)
    print("\nserving", flush=True)
    await ended.wait()
    await collector.stop()


def _tune() -> None:
    """Room for every host's connection; and turns short enough for two threads that wait for each other."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sys.setswitchinterval(_SWITCH)  # with Python's own 5 ms the writer waits that long after every statement
    gc.collect()
    gc.freeze()  # what is loaded by now stays: no need to look through it again and again
    gc.set_threshold(_GARBAGE, 20, 50)


def _welcome(configured: Config, store: Store, token: JoinToken, enrol: Address) -> None:
    """What to type next, when nobody has typed it yet."""
    if not store.people.all():
        password = secrets.token_urlsafe(15)
        store.people.add("admin", "admin", password)
        print(f"\nThe first user is admin, password {password} (shown once).")
        print("A token for the query API:\n  pratique-server user token admin")
    if not store.enrolment.known():
        store.enrolment.make_token(token.secret_digest, "first start", opening.me(), _TOKEN_SECONDS)
        reached = Address(configured.names[0], enrol.port)
        print("\nEnrol a host, within an hour; the token works once (more: pratique-server token create):")
        print(f"  pratique enroll https://{reached} --token {token}")
