"""pipx: pip or uv does the work; what is pipx's own are its environments and the program it runs at the end."""

import os
from pathlib import Path

from pratique.managers.base import Context, Pattern, Stopped
from pratique.managers.node.arguments import Arguments
from pratique.managers.pip.arguments import name_of
from pratique.managers.python.family import PythonFamily, Request
from pratique.managers.python.records import first_run
from pratique.model import Settlement


class Pipx(PythonFamily):
    """The `Manager` for pipx."""

    name = "pipx"

    def request(self, arguments: Arguments, manager: Stopped) -> Request:
        """The packages it names; pipx has no project."""
        run = arguments.verb in self.facts.run
        asked = arguments.all("--spec") or arguments.words[: 1 if run else None]
        names = (name_of(word.partition("==")[0]) for word in (*asked, *arguments.all("--with")))
        said = manager.environment
        home = said.get("HOME", "")
        return Request(
            arguments,
            os.path.realpath(manager.cwd),
            home,
            said,
            {},
            frozenset(name for name in names if name),
        )

    def command(self, child: Stopped, context: Context, request: Request) -> Settlement | None:
        """The program of `pipx run`, by RECORD of the environment that pipx has just filled."""
        if request.arguments.verb not in self.facts.run:
            return None
        return first_run(child, context, request.names, self._homes(request))

    def hands_over(self, child: Stopped, found: Pattern, request: Request) -> bool:
        """To uv, a program of its own, unless that lies where pipx puts packages: one may come with such a name."""
        kept = any(child.exe.startswith(f"{home}/") for home in self._homes(request))
        return not found.interpreters and not kept

    def _homes(self, request: Request) -> tuple[str, ...]:
        said = request.environment
        own = [place.replace("~", request.home, 1) for place in self.facts.own["homes"]]
        cache = said.get("XDG_CACHE_HOME")
        more = (said.get("PIPX_HOME"), said.get("PIPX_GLOBAL_HOME"), f"{cache}/pipx" if cache else None)
        return tuple(os.path.realpath(Path(place)) for place in (*own, *more) if place)
