"""`pratique policy`: check what is in force here, trust a project's file, reload the daemon."""

import argparse
import os
import sys
from pathlib import Path

from pratique.errors import ConfigError, UsageError

_FAILED = 1


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `pratique policy check|trust|reload`."""
    parser = subparsers.add_parser("policy", help="check the policy in force here, or trust a project's")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    check = verbs.add_parser(
        "check", help="read every policy file that takes part here, and say what is in force"
    )
    check.add_argument("files", nargs="*", metavar="FILE", help="policy files as for `run --policy`")
    check.add_argument("--profile", choices=("observe", "standard", "strict"), help="as for `run`")
    trust = verbs.add_parser(
        "trust", help="let this project's pratique.toml widen the policy, until it changes"
    )
    trust.add_argument(
        "file", nargs="?", metavar="FILE", help="default: pratique.toml of the git root above here"
    )
    verbs.add_parser("reload", help="have the daemon read its policy files again")


def run(args: argparse.Namespace) -> int:
    """Do what the verb says; 0, 1 when it cannot be done; a wrong file is a `ConfigError`."""
    return {"check": _check, "trust": _trust, "reload": _reload}[args.verb](args)


def _check(args: argparse.Namespace) -> int:
    from pratique.policy import cache  # noqa: PLC0415  (each sub-command imports what it needs)
    from pratique.policy.sources import Request  # noqa: PLC0415

    request = Request(str(Path.home()), _project(), args.profile, files=tuple(args.files))
    policy = cache.load(request)
    print(f"profile {policy.profile}: {len(policy.rules)} rules, {len(policy.groups)} groups")
    print(f"digest  {policy.digest}")
    for source in policy.sources:
        if source.kind != "shipped":
            print(
                f"{source.kind:<9} {source.path}{'' if source.trusted else ' (not trusted: it only narrows)'}"
            )
    own = [allow for allow in policy.allows if not allow.source.startswith("rules/")]
    for allow in own:
        print(f"allow     {allow.package}   {allow.source}")
    for block in policy.blocks:
        print(f"block     {block.package or block.digest or block.host}   {block.source}")
    for note in policy.notes:
        print(f"pratique: {note}", file=sys.stderr)
    return 0


def _trust(args: argparse.Namespace) -> int:
    from pratique import host  # noqa: PLC0415  (each sub-command imports what it needs)
    from pratique.policy import compile as compiler  # noqa: PLC0415
    from pratique.policy import sources, trust  # noqa: PLC0415

    path = args.file or f"{_project()}/pratique.toml"
    try:
        data, _ = sources.read_once(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}:1: there is no such file", "write it first") from None
    text = sources.Text(os.path.realpath(path), "project", True, data)
    # A wrong file is refused now rather than at the next run.
    compiler.compile_policy([*sources.shipped_texts(), text])
    trust.trust(host.state_dir(), text.path, text.digest)
    print(f"trusted {text.path}")
    print(f"digest  {text.digest}")
    print("A change of the file un-trusts it.")
    return 0


def _reload(_: argparse.Namespace) -> int:
    from pratique.daemon import client  # noqa: PLC0415  (each sub-command imports what it needs)

    try:
        answer = client.ask("reload")
    except client.NoDaemonError as error:
        print(f"pratique: {error.what}; `pratique run` reads its policy at each start", file=sys.stderr)
        return _FAILED
    except client.RefusedError as error:
        print(f"pratique: the old policy stays in force: {error}", file=sys.stderr)
        return _FAILED
    print(f"profile {answer['profile']}\ndigest  {answer['digest']}")
    return 0


def _project() -> str:
    from pratique import host  # noqa: PLC0415  (as above)

    try:
        return host.project_root(str(Path.cwd()))
    except FileNotFoundError as error:
        raise UsageError("the current directory no longer exists", "cd to another one") from error
