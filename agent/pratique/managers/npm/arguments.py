"""npm's command line, read the way npm reads it (nopt)."""

from collections.abc import Sequence

from pratique.managers.matching import target_end
from pratique.managers.node import arguments
from pratique.managers.node.arguments import Arguments
from pratique.managers.npm.facts import facts


def script_of(argv: Sequence[str]) -> str | None:
    """The script of npm that node was started with."""
    ends = (target_end(argv, pattern) for pattern in (facts().npm, facts().npx))
    return next((argv[end - 1] for end in ends if end), None)


def after_npm(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    """`npm` or `npx`, and the words after it."""
    for name, pattern in (("npm", facts().npm), ("npx", facts().npx)):
        if end := target_end(argv, pattern):
            return name, argv[end:]
    return "npm", ()


def parse(argv: Sequence[str]) -> Arguments:
    """Verb, options and words of a command line; for `npx` the verb is `exec`."""
    program, given = after_npm(argv)
    return arguments.parse(given, facts(), ("exec",) if program == "npx" else ())
