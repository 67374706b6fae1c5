"""`pratique run` while the daemon is up: the daemon guards, this only starts the command and tells the outcome."""

from typing import Any, NamedTuple

from pratique import host, nested
from pratique.backends.base import Command, Ended
from pratique.backends.hooks import launch
from pratique.backends.hooks.static import Bare, StaticLayer
from pratique.daemon import client, wire
from pratique.errors import GuardError
from pratique.policy.lower import file_plan
from pratique.runs.tree import bounded
from pratique.session import Request, Signals, policy_of


class Told(NamedTuple):
    """A run that the daemon guarded."""

    report: dict[str, Any] | None
    """None: the run it is in guards it already, and reports."""
    ended: Ended


def guarded(request: Request, root: bool) -> Told:
    """Run the command in a run of the daemon; `GuardError` if nothing was started."""
    if request.backend not in ("auto", "hooks") or request.record:
        raise GuardError(
            "the daemon guards this host; --backend and --trace are not its to change", "leave them out"
        )
    layer = _layer(request) if root else Bare()
    asked: dict[str, Any] = {}

    def label(pid: int) -> None:
        asked.update(_ask(request, pid))

    signals = Signals()
    try:
        command = Command(request.argv, request.cwd, {**request.environment, nested.MARK: "daemon"})
        child = launch.spawn(command, layer, label)
        signals.go_to(child.pid)
        status, number = child.wait()
    finally:
        signals.restore()
        layer.close()
    ended = Ended(None if number else status, number, child.exec_error)
    if asked["run"] is None:
        return Told(None, ended)
    try:
        return Told(client.ask("finish", run=asked["run"])["report"], ended)
    except (client.NoDaemonError, client.RefusedError) as error:
        raise GuardError(f"the daemon was lost in mid-run ({error.what}); it has ended the tree") from error


def _ask(request: Request, pid: int) -> wire.Json:
    try:
        return client.ask(
            "run",
            pid=pid,
            argv=list(bounded(tuple(request.argv))),
            profile=request.profile,
            mode=request.mode,
            policy=request.policy,
        )
    except client.RefusedError as error:
        raise GuardError(error.what, error.mend) from error


def _layer(request: Request) -> StaticLayer:
    homes, project = host.homes(request.environment), host.project_root(request.cwd)
    files = file_plan(policy_of(request, project), homes, project)
    layer = StaticLayer(files.readonly, files.masked, homes)
    layer.prepare()
    return layer
