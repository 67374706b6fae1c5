"""The command line: imports only the module of the sub-command asked for; turns errors into text and status.

Each sub-command is a module of this package with `add_parser(subparsers)` and `run(args) -> int`.
Nothing heavy is imported here: this code runs before the guarded command starts.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from pratique import __version__
from pratique.errors import GuardError, PratiqueError, UsageError

COMMANDS = {
    "run": "start a command under guard",
    "doctor": "show what guards this host, what it does not cover, and what to mend",
    "daemon": "guard every install on this host, without a wrapper",
    "status": "show the daemon's runs and recent findings",
    "top": "watch the daemon's runs live",
    "off": "run one command that the daemon does not guard (recorded)",
    "install-service": "have systemd start the daemon",
    "uninstall": "end the daemon and let go of everything it holds",
    "approve": "trust a package's first runs from now on",
    "forget": "watch a package's first runs again",
    "rules": "list, check, test and explain the rules",
    "report": "show the report of a run",
    "replay": "put a recorded trace through the rules, without a kernel",
    "policy": "check the policy in force here, trust a project's file",
    "init": "write a first pratique.toml into the project",
    "learn": "propose the [[allow]] stanzas that a run needs, as a diff",
    "enroll": "join a collector; until then nothing leaves this host",
    "telemetry": "show what is sent to the collector, and what waits",
    "uplink": "send what waits to the collector, and hear what it says",
}

_DEFECT, _USAGE, _NO_GUARD, _INTERRUPTED, _NOBODY_READS = 1, 2, 125, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command and return the exit status of docs/policy.md section 6."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words:
        _parser(None).print_help(sys.stderr)
        return _USAGE
    try:
        args = parse(words)
        status = int(_module(args.sub_command).run(args))
        sys.stdout.flush()  # here, where a reader that went away can still be met
        return status
    except GuardError as error:
        return _fail(error, _NO_GUARD)
    except PratiqueError as error:
        return _fail(error, _USAGE)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 -- the last resort: see _defect
        return _defect(_asked(words), error)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; exits as argparse does on `--help`, `--version` and mistakes."""
    asked = _asked(words)
    args, unknown = _parser(asked).parse_known_args(words)
    if unknown:
        raise _unknown(asked, unknown[0])
    return args


def _unknown(asked: str | None, word: str) -> UsageError:
    """Name the mistake and where to read on: argparse would show the usage of `pratique` alone."""
    return UsageError(f"{asked} does not know {word!r}", f"pratique {asked} --help lists its options")


def _asked(words: Sequence[str]) -> str | None:
    return next((word for word in words if not word.startswith("-")), None)


def _parser(asked: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pratique",
        description="Guards package installs, and names the package that tried what the rules forbid.",
        epilog="pratique COMMAND --help says more of one command.",
    )
    parser.add_argument("--version", action="version", version=f"pratique {__version__}")
    subparsers = parser.add_subparsers(dest="sub_command", metavar="COMMAND", title="commands", required=True)
    if asked in COMMANDS:
        _module(asked).add_parser(subparsers)
    else:
        for name, summary in COMMANDS.items():
            subparsers.add_parser(name, help=summary)
    return parser


def _module(name: str) -> ModuleType:
    return import_module(f"pratique.cli.{name.replace('-', '_')}")


def _fail(error: PratiqueError, status: int) -> int:
    print(f"pratique: {_one_line(str(error))}", file=sys.stderr)
    return status


def _defect(asked: str | None, error: Exception) -> int:
    """Give a status of our own: a defect of ours must never look like the status of the guarded command."""
    if isinstance(error, BrokenPipeError) and asked != "run":  # `pratique rules list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NOBODY_READS
    sys.excepthook(type(error), error, error.__traceback__)
    return _NO_GUARD if asked == "run" else _DEFECT


def _one_line(text: str) -> str:
    """Escape what could move the cursor or begin a line: names in errors may come from hostile code."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )
