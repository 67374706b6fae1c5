"""`pratique init`: write a first `pratique.toml` into the project."""

import argparse

from pratique.errors import UsageError

_TEMPLATE = """\
# What Pratique refuses and allows in this project. The file may always narrow the policy; it widens it only once you
# have read it and typed `pratique policy trust`, and each change un-trusts it. docs/policy.md has every key.

{profile}

# What a package may do beyond the profile. A refusal prints the stanza that permits it, and
# `pratique learn -- COMMAND` proposes the smallest set that a command needs.
#
# [[allow]]
# package = "pkg:npm/esbuild@0.25.0"        # exact, a range (@>=0.25,<1), or every version (none)
# stage   = ["script"]                      # resolve, build, script, first-run; omitted: every stage
# connect = ["cdn.example.com:443"]         # also dns, read, write, exec, ipc
# reason  = "downloads its prebuilt binary"
# expires = 2027-01-31

# What no package and no script of this project may do, whatever the profile says.
#
# [[deny]]
# reason  = "customer data"
# read    = ["./data/**"]                   # also connect, write, exec, ipc

# Packages that must not run at all.
#
# [[block]]
# package = "pkg:npm/evil@1.2.3"
# reason  = "incident 17"
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `pratique init`."""
    parser = subparsers.add_parser(
        "init", help="write a first pratique.toml into the project (the git root above here, or here)"
    )
    parser.add_argument(
        "--profile", choices=("observe", "standard", "strict"), help="which rules hold (default: standard)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the file and say what to do next; an existing one is left as it is (`UsageError`)."""
    from pratique.policy import placing  # noqa: PLC0415  (each sub-command imports what it needs)
    from pratique.runs.escape import visible  # noqa: PLC0415

    path = placing.project_file()
    if placing.exists(path):
        raise UsageError(f"{path} exists and is left as it is", "pratique policy check reads it")
    placing.create(path, text(args.profile).encode())
    print(f"wrote {visible(str(path))}")
    print("next: edit it, then `pratique policy trust`; until then it can only narrow the policy")
    print("      `pratique learn -- COMMAND` proposes the [[allow]] that a command needs")
    return 0


def text(profile: str | None) -> str:
    """The commented file; with a profile, that one is in force."""
    line = f'profile = "{profile}"' if profile else '# profile = "standard"'
    return _TEMPLATE.format(profile=f"{line:<44}# observe, standard, strict")
