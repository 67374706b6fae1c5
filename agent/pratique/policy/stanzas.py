"""The smallest `[[allow]]` that would permit exactly one act: what a refusal prints."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from pratique.model import Identity
from pratique.policy import globs
from pratique.words import Act, Quality, Stage

# Which key of an [[allow]] speaks of which act. Acts that are not here cannot be allowed.
KEYS = {
    Act.FILE_READ: "read",
    Act.FILE_WRITE: "write",
    Act.FILE_CREATE: "write",
    Act.FILE_LINK: "write",
    Act.FILE_RENAME: "write",
    Act.FILE_REMOVE: "write",
    Act.FILE_TRUNCATE: "write",
    Act.FILE_SETATTR: "write",
    Act.EXEC: "exec",
    Act.IPC_CONNECT: "ipc",
    Act.NET_CONNECT: "connect",
    Act.NET_DNS: "dns",
}

# Executables that no path leads to.
_NAMELESS = frozenset(("code.memfd", "code.deleted"))
_HOST = r"[A-Za-z0-9_.-]{1,253}\Z"
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def stanza(
    identity: Identity,
    stage: Stage,
    act: Act,
    target: Mapping[str, Any],
    locked: bool = False,
    groups: Collection[str] = (),
) -> str:
    """TOML to paste into a policy file; a comment instead when no allow can match: why, and what to do."""
    why = _why_not(identity, act, locked, groups)
    values = [] if why else _values(act, target)
    if not why and not values:
        why = "no allow can be written for this object: its name is unknown or is no text"
    return f"# {_printable(why)}\n" if why else _stanza(identity, stage, KEYS[act], values)


def _stanza(identity: Identity, stage: Stage, key: str, values: list[str]) -> str:
    lines = ["[[allow]]", f"package = {_quoted(identity.purl or '')}"]
    if identity.digest:
        lines.append(f"digest = {_quoted(identity.digest)}")
    lines.append(f"stage = [{_quoted(stage.word)}]")
    lines.append(f"{key} = [{', '.join(_quoted(value) for value in values)}]")
    lines.append('reason = "say why this package needs it"')
    return "\n".join(lines) + "\n"


def _why_not(identity: Identity, act: Act, locked: bool, groups: Collection[str]) -> str:
    if locked:
        return "no allow can match: the rule is locked"
    if act not in KEYS:
        return f"no allow can match: {act.word} cannot be allowed; run the program outside the guard"
    if not _NAMELESS.isdisjoint(groups):
        return "no allow can match: the executable has no name; have it run from a file that stays in place"
    if identity.quality is Quality.CLAIMED:
        return (
            f"no allow can match: the name {identity.purl or ''} is only claimed by the code itself; "
            "install it from the configured registry with a lock file, so that it can be verified"
        )
    if identity.quality is Quality.UNKNOWN or identity.purl is None:
        return "no allow can match: it is unknown which package acted; run its install alone to see"
    return ""


def _values(act: Act, target: Mapping[str, Any]) -> list[str]:
    if act is Act.NET_CONNECT:
        return _endpoint(target)
    if act is Act.NET_DNS:
        return [name] if re.match(_HOST, name := str(target.get("name") or "")) else []
    ends = ("exe", "path") if act is Act.EXEC else ("path", "to")
    paths = [str(target[end]) for end in ends if target.get(end)]
    return (
        [] if any(_no_text(path) for path in paths) else [globs.escape(path) for path in dict.fromkeys(paths)]
    )


def _endpoint(target: Mapping[str, Any]) -> list[str]:
    name, port = str(target.get("name") or ""), target.get("port")
    # A name comes from the network: one with a wildcard in it must not turn into a pattern.
    host = name if re.match(_HOST, name) else str(target.get("address") or "")
    if not host or not port:
        return []
    return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]


def _no_text(path: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in path)


def _quoted(text: str) -> str:
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if "\ud800" <= char <= "\udfff":
        return "\ufffd"
    return char if char.isprintable() else f"\\U{ord(char):08x}"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
