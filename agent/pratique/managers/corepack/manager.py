"""corepack: what it starts is judged by the module of the manager it has become."""

import re
from collections.abc import Mapping

from pratique.managers.base import Context, Learned, Manager, Pattern, Stopped
from pratique.managers.corepack.facts import facts
from pratique.managers.matching import target_end
from pratique.managers.node.memory import root_of
from pratique.managers.node.project import manifest_of
from pratique.model import Settlement
from pratique.words import Actor, Stage


class Corepack:
    """The `Manager` for corepack; its shims are recognised as the managers they are named after."""

    name = "corepack"

    def patterns(self) -> tuple[Pattern, ...]:
        """The one pattern of `data.toml`."""
        return (facts().pattern,)

    def classify(self, child: Stopped, context: Context) -> Settlement:
        """By the manager it became: as if that had been started with the same words."""
        family, argv = _became(context.manager.argv, context.manager.cwd)
        if family is None:
            reason = "corepack only fetches, and starts nothing"
            return Settlement(Actor.PACKAGE, Stage.SCRIPT, new_origin=True, reason=reason)
        manager = context.manager._replace(argv=argv)
        return _module(family).classify(child, context._replace(manager=manager))

    def describe(self, argv: tuple[str, ...]) -> str:
        """`corepack yarn add left-padder`: without node and without secrets."""
        family, became = _became(argv, "")
        words = argv[target_end(argv, facts().pattern) or len(argv) :]
        return f"corepack {_module(family).describe(became) if family else ' '.join(words)}"

    def requested(self, argv: tuple[str, ...], cwd: str) -> tuple[str, ...]:
        """What the manager it becomes is asked for."""
        family, became = _became(argv, cwd)
        return tuple(_module(family).requested(became, cwd)) if family else ()

    def inside(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[str, ...]:
        """What the manager it becomes loads."""
        family, became = _became(argv, cwd)
        return _module(family).inside(became, environment, cwd) if family else ()

    def hosts(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[Learned, ...]:
        """Where that one can be expected to fetch from."""
        family, became = _became(argv, cwd)
        return _module(family).hosts(became, environment, cwd) if family else ()


def _became(argv: tuple[str, ...], cwd: str) -> tuple[str | None, tuple[str, ...]]:
    """The family it became, and the command line that one would have had."""
    words = argv[target_end(argv, facts().pattern) or len(argv) :]
    while words and words[0].startswith("-"):
        words = words[1:]
    if not words:
        return None, ()
    name = words[0].partition("@")[0]
    if name in facts().programs:
        return facts().programs[name], (argv[0], name, *words[1:])
    if words[0] not in facts().installs:
        return None, ()
    pinned = str(manifest_of(root_of(cwd, ())).get("packageManager") or "") if cwd else ""
    named = next((word for word in words[1:] if not word.startswith("-")), pinned)
    found = re.match(r"\w+", named)
    family = facts().programs.get(found[0]) if found else None
    return family, (argv[0], found[0], "install") if found and family else ()


def _module(family: str) -> Manager:
    from pratique import managers  # noqa: PLC0415 (it imports this module)

    return managers.registry()[family]
